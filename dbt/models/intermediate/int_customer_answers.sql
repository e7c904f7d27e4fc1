with weights as (
    {{ decay_weights('survey_answers') }}
),

as_of as (
    select
        coalesce(map.customer_key, answers.identity_id) as customer_key,
        answers.*,
        inputs.as_of_date,
        weights.*
    from {{ ref('survey_answers') }} as answers
    inner join {{ ref('stg_night__inputs') }} as inputs
        on answers.responded_date <= inputs.as_of_date
    left join {{ ref('stg_night__customer_map') }} as map
        on answers.identity_id = map.identity_id
    left join weights
        on {{ days_between('answers.responded_date', 'inputs.as_of_date') }} = weights.age_days
    where answers.identity_id is not null
)

select
    customer_key,
    cast(count(*) as integer) as survey_answers_n,
    max(responded_date) as last_answer_date
    {{ accumulate('survey_answers') }}
from as_of
group by customer_key
