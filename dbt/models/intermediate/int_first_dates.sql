-- Before the first row of a kind of fact nobody was measured; from it on, no row means none.
-- Interactions of nobody count too: the export was running.
with orders as (
    select
        min(ordered_date) as first_orders_date,
        min(case when cost_amount is not null then ordered_date end) as first_cost_date
    from {{ ref('order_facts') }}
),

attributed as (
    select min(business_date) as first_date
    from {{ ref('interaction_days') }}
),

unattributed as (
    select min(business_date) as first_date
    from {{ ref('int_interactions_current') }}
    where identity_id is null
)

select
    orders.first_orders_date,
    orders.first_cost_date,
    case
        when unattributed.first_date < attributed.first_date then unattributed.first_date
        else coalesce(attributed.first_date, unattributed.first_date)
    end as first_interactions_date
from orders
cross join attributed
cross join unattributed
