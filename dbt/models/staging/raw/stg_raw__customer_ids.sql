select
    load_seq,
    row_no,
    identity_id,
    {{ each_listed_identity('other_ids') }} as listed_identity_id
from {{ source('raw', 'raw_customers') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
