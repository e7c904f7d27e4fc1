select
    'orders' as kind,
    orders.source,
    orders.order_id,
    cast(null as varchar) as refund_id,
    orders.ordered_date as event_date,
    orders.currency,
    orders.held_reason as reason,
    cast(orders.sale_amount_original as decimal(38, 4)) as amount
from {{ ref('order_facts') }} as orders
inner join {{ ref('stg_night__inputs') }} as inputs
    on orders.ordered_date <= inputs.as_of_date
where
    orders.held_reason is not null
    and orders.excluded_reason is null
union all
select
    'refunds' as kind,
    refunds.source,
    refunds.order_id,
    refunds.refund_id,
    refunds.event_date,
    refunds.currency,
    refunds.held_reason as reason,
    refunds.refund_amount_original as amount
from {{ ref('refund_facts') }} as refunds
inner join {{ ref('stg_night__inputs') }} as inputs
    on refunds.event_date <= inputs.as_of_date
where
    refunds.held_reason is not null
    and refunds.excluded_reason is null
