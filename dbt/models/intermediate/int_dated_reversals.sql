-- When each line takes its order back: stated, else the date of the first version that shows it,
-- else the order's; never before the order.
-- Versions are known of orders that have more than one; elsewhere the line's own is the first.
with first_refunds as (
    select
        lines.source,
        lines.order_id,
        lines.line_key,
        min(versions.version_date) as first_shown_date
    from {{ ref('int_reversing_lines') }} as lines
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
    having
        sum(case when status = 'cancelled' or status is null then 0 else 1 end) = 0
        and count(status) > 0
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
        case
            when not lines.is_contested then lines.version_date
            when lines.is_status_of_order
                then
                    coalesce(
                        refunds.first_shown_date,
                        max(refunds.first_shown_date) over (
                            partition by lines.source, lines.order_id
                        )
                    )
            else refunds.first_shown_date
        end as refund_shown_date,
        case
            when not lines.is_contested then lines.version_date
            when
                cancellations.first_shown_date is null
                or orders.first_shown_date < cancellations.first_shown_date
                then orders.first_shown_date
            else cancellations.first_shown_date
        end as cancellation_shown_date,
        coalesce(
            lines.refunded_date,
            case when lines.order_status = 'refunded' then lines.last_refunded_date end
        ) as refund_stated_date,
        coalesce(
            lines.cancelled_date,
            case when lines.order_status = 'cancelled' then lines.last_cancelled_date end
        ) as cancellation_stated_date
    from {{ ref('int_reversing_lines') }} as lines
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
        greatest(ordered_date, coalesce(refund_stated_date, refund_shown_date, ordered_date))
            as refund_event_date,
        case
            when refund_stated_date is not null then 'stated'
            when refund_shown_date is not null then 'version'
            else 'order'
        end as refund_date_source,
        case
            when status = 'cancelled'
                then
                    greatest(
                        ordered_date,
                        coalesce(cancellation_stated_date, cancellation_shown_date, ordered_date)
                    )
        end as cancellation_event_date,
        case
            when cancellation_stated_date is not null then 'stated'
            when cancellation_shown_date is not null then 'version'
            else 'order'
        end as cancellation_date_source
    from shown
)

-- A refund after the cancellation pays out what the cancellation has taken out already.
select
    dated.*,
    line_refund_original <> 0
    and (cancellation_event_date is null or refund_event_date <= cancellation_event_date)
        as has_refund_event
from dated
