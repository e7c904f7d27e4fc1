-- Before the first row of a kind of fact nobody was measured; from it on, no row means none.
with orders as (
    select
        min(ordered_date) as first_orders_date,
        min(case when cost_amount is not null then ordered_date end) as first_cost_date
    from {{ ref('order_facts') }}
),

interactions as (
    select min(occurred_at) as first_occurred_at
    from {{ ref('int_interactions_current') }}
)

select
    orders.first_orders_date,
    orders.first_cost_date,
    {{ business_date('interactions.first_occurred_at') }} as first_interactions_date
from orders
cross join interactions
