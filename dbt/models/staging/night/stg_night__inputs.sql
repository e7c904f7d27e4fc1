select
    candidate_id,
    as_of_date,
    known_load_seq
from {{ source('night', 'night_inputs') }}
