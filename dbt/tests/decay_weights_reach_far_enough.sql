-- An age without a weight counts nothing, so the weights must go on until they are zero or until
-- the oldest event.
with oldest as (
    select min(first_date) as first_date
    from (
        select first_interactions_date as first_date from {{ ref('int_first_dates') }}
        union all
        select first_orders_date as first_date from {{ ref('int_first_dates') }}
        union all
        select min(responded_date) as first_date from {{ ref('survey_answers') }}
    ) as firsts
),

last_ages as (
    select
        half_life_days,
        max(age_days) as age_days,
        min(weight_millionths) as weight_millionths
    from {{ ref('stg_night__decay_weights') }}
    group by half_life_days
)

select
    last_ages.half_life_days,
    last_ages.age_days
from last_ages
cross join oldest
cross join {{ ref('stg_night__inputs') }} as inputs
where
    last_ages.weight_millionths > 0
    and last_ages.age_days < {{ days_between('oldest.first_date', 'inputs.as_of_date') }}
