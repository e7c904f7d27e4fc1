-- The build holds exactly one night; with none or two every figure would be empty or doubled.
select count(*) as nights_n
from {{ ref('stg_night__inputs') }}
having count(*) <> 1
