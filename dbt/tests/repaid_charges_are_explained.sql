-- What was paid back beyond the worth of an order is no loss only where its shipping and tax
-- explain it: at most as much as the buyer paid of them, and nothing where the goods suffice.
with orders as (
    select
        events.source,
        events.order_id,
        sum(events.amount_original) as left_amount,
        -sum(events.charges_amount_original) as charges_amount
    from {{ ref('order_events') }} as events
    group by events.source, events.order_id
)

select
    orders.source,
    orders.order_id,
    orders.left_amount,
    orders.charges_amount,
    facts.charged_amount_original
from orders
inner join {{ ref('order_facts') }} as facts
    on
        orders.source = facts.source
        and orders.order_id = facts.order_id
where
    orders.charges_amount < 0
    or orders.charges_amount > facts.charged_amount_original
    or (orders.charges_amount > 0 and orders.left_amount > 0)
