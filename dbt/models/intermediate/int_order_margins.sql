-- What is left on D of each order of a customer, and its margin; NULL where its cost is not known.
with reversed as (
    select
        reversals.source,
        reversals.order_id,
        sum(reversals.cost_amount) as cost_amount,
        sum(reversals.shipping_amount) as shipping_amount
    from {{ ref('int_order_reversals') }} as reversals
    inner join {{ ref('stg_night__inputs') }} as inputs
        on reversals.event_date <= inputs.as_of_date
    group by reversals.source, reversals.order_id
)

select
    orders.customer_key,
    orders.source,
    orders.order_id,
    orders.ordered_date,
    orders.is_purchase,
    case
        when orders.cost_amount is not null
            then
                orders.net_amount
                - orders.cost_amount - coalesce(reversed.cost_amount, 0)
                - orders.shipping_amount - coalesce(reversed.shipping_amount, 0)
        else {{ margin_without_cost('orders.net_amount') }}
    end as margin_amount
from {{ ref('customer_orders') }} as orders
left join reversed
    on
        orders.source = reversed.source
        and orders.order_id = reversed.order_id
