-- Money in is money out: the net revenue of all customers is that of the order events of the
-- window, added up by another way than the customers' own.
with events as (
    select sum(events.amount) as amount
    from {{ ref('order_events') }} as events
    inner join {{ ref('stg_night__inputs') }} as inputs
        on events.event_date <= inputs.as_of_date
    left join {{ ref('stg_night__customer_map') }} as map
        on events.identity_id = map.identity_id
    inner join {{ ref('customer_features') }} as features
        on coalesce(map.customer_key, events.identity_id) = features.customer_key
    where
        events.event_date
        > {{ add_days('inputs.as_of_date', '-' ~ crm('profitability_days')) }}
),

customers as (
    select sum(net_revenue_amount) as amount
    from {{ ref('customer_profitability') }}
)

select
    events.amount as events_amount,
    customers.amount as customers_amount
from events
cross join customers
where coalesce(events.amount, 0) <> coalesce(customers.amount, 0)
