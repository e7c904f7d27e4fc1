with ranked as (
    select
        answers.*,
        {{ newest_first(['source', 'response_id', 'instrument']) }} as newness
    from {{ ref('stg_raw__survey_answers') }} as answers
)

select
    source,
    response_id,
    instrument,
    identity_id,
    responded_at,
    responded_date,
    score,
    scale_min,
    scale_max,
    direction
from ranked
where newness = 1
