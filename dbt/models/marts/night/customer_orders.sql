with reversed as (
    select
        reversals.source,
        reversals.order_id,
        sum(reversals.amount) as amount,
        max(case when reversals.kind = 'cancel' then 1 else 0 end) as cancellations_n
    from {{ ref('int_order_reversals') }} as reversals
    inner join {{ ref('stg_night__inputs') }} as inputs
        on reversals.event_date <= inputs.as_of_date
    group by reversals.source, reversals.order_id
)

select
    coalesce(map.customer_key, orders.identity_id) as customer_key,
    orders.source,
    orders.order_id,
    orders.ordered_at,
    orders.ordered_date,
    orders.channel,
    orders.quantity,
    orders.sale_amount,
    orders.discount_amount,
    orders.cost_amount,
    orders.shipping_amount,
    cast(orders.sale_amount + coalesce(reversed.amount, 0) as decimal(38, 4)) as net_amount,
    orders.sale_amount + coalesce(reversed.amount, 0) > 0 as is_purchase,
    orders.sale_amount > 0
    and orders.sale_amount + coalesce(reversed.amount, 0) <= 0
    and coalesce(reversed.cancellations_n, 0) = 0 as is_refunded_in_full
from {{ ref('order_facts') }} as orders
inner join {{ ref('stg_night__inputs') }} as inputs
    on orders.ordered_date <= inputs.as_of_date
left join {{ ref('stg_night__customer_map') }} as map
    on orders.identity_id = map.identity_id
left join reversed
    on
        orders.source = reversed.source
        and orders.order_id = reversed.order_id
where
    orders.identity_id is not null
    and orders.held_reason is null
    and orders.excluded_reason is null
