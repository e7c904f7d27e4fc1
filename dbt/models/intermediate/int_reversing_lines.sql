-- Lines that take their order back, in part or whole: by a refund that they state, or by a status.
-- Lines are looked at one by one, since a shop cancels and refunds by line; a status that is stated
-- once for an order holds for all its lines. When each counts stands in int_dated_reversals.
with orders_with_export as (
    select distinct
        order_source as source,
        order_id
    from {{ ref('refund_facts') }}
    where
        held_reason is null
        and excluded_reason is null
        and refund_amount_original <> 0
),

reversing_lines as (
    select
        lines.source,
        lines.order_id,
        lines.line_key,
        lines.ordered_date,
        lines.refunded_date,
        lines.cancelled_date,
        lines.version_date,
        lines.is_contested,
        lines.quantity,
        lines.refund,
        lines.refund_amount,
        lines.sale_amount_original,
        lines.sale_amount,
        lines.cost_amount,
        lines.shipping_amount,
        lines.status is null as is_status_of_order,
        orders.status as order_status,
        -- The status of a negative row says what it is; it takes nothing back a second time.
        case when not lines.is_return then coalesce(lines.status, orders.status) end as status,
        exports.order_id is not null
        or max(case when lines.refund <> 0 then 1 else 0 end) over (
            partition by lines.source, lines.order_id
        ) = 1 as has_stated_refund,
        max(lines.refunded_date) over (partition by lines.source, lines.order_id)
            as last_refunded_date,
        max(lines.cancelled_date) over (partition by lines.source, lines.order_id)
            as last_cancelled_date
    from {{ ref('int_order_lines_valued') }} as lines
    inner join {{ ref('order_facts') }} as orders
        on
            lines.source = orders.source
            and lines.order_id = orders.order_id
    left join orders_with_export as exports
        on
            lines.source = exports.source
            and lines.order_id = exports.order_id
    where
        (
            lines.refund <> 0
            or (
                not lines.is_return
                and coalesce(lines.status, orders.status) in ('cancelled', 'refunded')
            )
        )
        and lines.left_out_rule is null
        and orders.held_reason is null
        and orders.excluded_reason is null
)

-- A refunded order that states no amount was refunded in full.
select
    reversing_lines.*,
    case
        when refund <> 0 then refund
        when status = 'refunded' and not has_stated_refund then sale_amount_original
        else 0
    end as line_refund_original,
    case
        when refund <> 0 then refund_amount
        when status = 'refunded' and not has_stated_refund then sale_amount
        else 0
    end as line_refund_amount
from reversing_lines
