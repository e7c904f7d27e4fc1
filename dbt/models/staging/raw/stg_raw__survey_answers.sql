select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    response_id,
    instrument,
    identity_id,
    responded_at,
    {{ business_date('responded_at') }} as responded_date,
    score,
    scale_min,
    scale_max,
    direction,
    has_comment
from {{ source('raw', 'raw_survey_answers') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
