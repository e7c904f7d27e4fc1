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
    direction,
    {{ answer_score('score', 'scale_min', 'scale_max', 'direction') }} as answer_score
from {{ ref('int_survey_answers_current') }}
