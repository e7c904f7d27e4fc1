-- One pass over all interactions, by identity; who the identity belongs to comes later, when a
-- million rows are left.
with weights as (
    {{ decay_weights('interactions') }}
),

days as (
    select
        interactions.*,
        inputs.as_of_date,
        weights.*
    from {{ ref('interaction_days') }} as interactions
    inner join {{ ref('stg_night__inputs') }} as inputs
        on interactions.business_date <= inputs.as_of_date
    left join weights
        on {{ days_between('interactions.business_date', 'inputs.as_of_date') }} = weights.age_days
)

select
    identity_id,
    cast(sum(n) as bigint) as interactions_n,
    max(business_date) as last_interaction_date,
    {{ profitability_sum(cost_to_serve(), date='business_date') }} as cost_to_serve_amount
    {{ accumulate('interactions') }}
from days
group by identity_id
