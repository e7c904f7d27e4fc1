-- One voice a customer: whoever is asked often must not weigh more in a figure of many.
with ranked as (
    select
        coalesce(map.customer_key, answers.identity_id) as customer_key,
        answers.instrument,
        answers.responded_date,
        answers.score,
        answers.scale_min,
        answers.scale_max,
        answers.direction,
        row_number() over (
            partition by coalesce(map.customer_key, answers.identity_id), answers.instrument
            order by
                answers.responded_at desc nulls last,
                answers.source asc nulls last,
                answers.response_id desc nulls last
        ) as newness
    from {{ ref('survey_answers') }} as answers
    inner join {{ ref('stg_night__inputs') }} as inputs
        on
            answers.responded_date <= inputs.as_of_date
            and answers.responded_date
            > {{ add_days('inputs.as_of_date', '-' ~ crm('figure_window_days')) }}
    left join {{ ref('stg_night__customer_map') }} as map
        on answers.identity_id = map.identity_id
    where answers.identity_id is not null
)

select
    customer_key,
    instrument,
    responded_date,
    score,
    scale_min,
    scale_max,
    direction
from ranked
where newness = 1
