-- What takes an order back, at its own date: stated, else the date of the first version that
-- shows it, else the order's. Lines are looked at one by one, since a shop cancels and refunds
-- by line.
with reversing_lines as (
    select
        lines.*,
        max(case when lines.refund <> 0 then 1 else 0 end) over (
            partition by lines.source, lines.order_id
        ) as has_stated_refund
    from {{ ref('int_order_lines_valued') }} as lines
    inner join {{ ref('order_facts') }} as orders
        on
            lines.source = orders.source
            and lines.order_id = orders.order_id
    where
        (lines.status in ('cancelled', 'refunded') or lines.refund <> 0)
        and orders.held_reason is null
        and orders.excluded_reason is null
),

-- A refunded order that states no amount was refunded in full.
refunding_lines as (
    select
        reversing_lines.*,
        case
            when has_stated_refund = 1 then refund
            when status = 'refunded' then sale_amount_original
            else 0
        end as line_refund_original,
        case
            when has_stated_refund = 1 then refund_amount
            when status = 'refunded' then sale_amount
            else 0
        end as line_refund_amount
    from reversing_lines
),

-- Versions of orders that have more than one; elsewhere the line's own version is the first.
first_refunds as (
    select
        lines.source,
        lines.order_id,
        lines.line_key,
        min(versions.version_date) as first_shown_date
    from refunding_lines as lines
    inner join {{ ref('int_contested_order_lines') }} as versions
        on
            lines.source = versions.source
            and lines.order_id = versions.order_id
            and lines.line_key = versions.line_key
            and lines.refund = versions.refund
    where
        lines.is_contested
        and (lines.refund <> 0 or versions.status = 'refunded')
    group by lines.source, lines.order_id, lines.line_key
),

first_line_cancellations as (
    select
        source,
        order_id,
        line_key,
        min(version_date) as first_shown_date
    from {{ ref('int_contested_order_lines') }}
    where status = 'cancelled'
    group by source, order_id, line_key
),

cancelled_versions as (
    select
        source,
        order_id,
        version_date
    from {{ ref('int_contested_order_lines') }}
    group by source, order_id, version_at, version_date
    having sum(case when status = 'cancelled' then 0 else 1 end) = 0
),

first_order_cancellations as (
    select
        source,
        order_id,
        min(version_date) as first_shown_date
    from cancelled_versions
    group by source, order_id
),

shown as (
    select
        lines.*,
        case when lines.is_contested then refunds.first_shown_date else lines.version_date end
            as refund_shown_date,
        case
            when not lines.is_contested then lines.version_date
            when orders.first_shown_date < cancellations.first_shown_date
                then orders.first_shown_date
            else cancellations.first_shown_date
        end as cancellation_shown_date
    from refunding_lines as lines
    left join first_refunds as refunds
        on
            lines.source = refunds.source
            and lines.order_id = refunds.order_id
            and lines.line_key = refunds.line_key
    left join first_line_cancellations as cancellations
        on
            lines.source = cancellations.source
            and lines.order_id = cancellations.order_id
            and lines.line_key = cancellations.line_key
    left join first_order_cancellations as orders
        on
            lines.source = orders.source
            and lines.order_id = orders.order_id
),

dated as (
    select
        shown.*,
        greatest(ordered_date, coalesce(refunded_date, refund_shown_date, ordered_date))
            as refund_event_date,
        case
            when refunded_date is not null then 'stated'
            when refund_shown_date is not null then 'version'
            else 'order'
        end as refund_date_source,
        case
            when status = 'cancelled'
                then
                    greatest(
                        ordered_date,
                        coalesce(cancelled_date, cancellation_shown_date, ordered_date)
                    )
        end as cancellation_event_date,
        case
            when cancelled_date is not null then 'stated'
            when cancellation_shown_date is not null then 'version'
            else 'order'
        end as cancellation_date_source
    from shown
),

-- A refund after the cancellation pays out what the cancellation has taken out already.
lines_with_refund as (
    select
        dated.*,
        line_refund_original <> 0
        and (cancellation_event_date is null or refund_event_date <= cancellation_event_date)
            as has_refund_event
    from dated
),

events as (
    select
        source,
        order_id,
        'refund' as kind,
        refund_event_date as event_date,
        refund_date_source as state_date_source,
        -line_refund_original as amount_original,
        -line_refund_amount as amount,
        0 as quantity,
        0 as cost_amount,
        0 as shipping_amount
    from lines_with_refund
    where has_refund_event
    union all
    select
        source,
        order_id,
        'cancel' as kind,
        cancellation_event_date as event_date,
        cancellation_date_source as state_date_source,
        case when has_refund_event then line_refund_original else 0 end - sale_amount_original
            as amount_original,
        case when has_refund_event then line_refund_amount else 0 end - sale_amount as amount,
        -quantity as quantity,
        -coalesce(cost_amount, 0) as cost_amount,
        -coalesce(shipping_amount, 0) as shipping_amount
    from lines_with_refund
    where status = 'cancelled'
)

select
    source,
    order_id,
    kind,
    event_date,
    state_date_source,
    cast(sum(amount_original) as decimal(38, 4)) as amount_original,
    cast(sum(amount) as decimal(38, 4)) as amount,
    cast(sum(quantity) as decimal(38, 4)) as quantity,
    cast(sum(cost_amount) as decimal(38, 4)) as cost_amount,
    cast(sum(shipping_amount) as decimal(38, 4)) as shipping_amount
from events
group by source, order_id, kind, event_date, state_date_source
