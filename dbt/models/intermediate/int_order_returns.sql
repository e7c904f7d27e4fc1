-- A negative row takes back at its own date, never before the order.
select
    lines.source,
    lines.order_id,
    greatest(orders.ordered_date, coalesce(lines.refunded_date, lines.ordered_date))
        as event_date,
    orders.identity_id,
    orders.currency,
    orders.held_reason,
    orders.excluded_reason,
    count(*) as lines_n,
    cast(sum(lines.sale_amount_original) as decimal(38, 4)) as amount_original,
    cast(sum(lines.sale_amount) as decimal(38, 4)) as amount,
    cast(sum(lines.quantity) as decimal(38, 4)) as quantity,
    cast(sum(coalesce(lines.cost_amount, 0)) as decimal(38, 4)) as cost_amount,
    cast(sum(coalesce(lines.shipping_amount, 0)) as decimal(38, 4)) as shipping_amount
from {{ ref('int_order_lines_valued') }} as lines
inner join {{ ref('order_facts') }} as orders
    on
        lines.source = orders.source
        and lines.order_id = orders.order_id
where
    lines.is_return
    and lines.left_out_rule is null
group by
    lines.source,
    lines.order_id,
    greatest(orders.ordered_date, coalesce(lines.refunded_date, lines.ordered_date)),
    orders.identity_id,
    orders.currency,
    orders.held_reason,
    orders.excluded_reason
