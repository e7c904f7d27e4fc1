-- What takes an order back, at its own date: stated, else the date of the first version that
-- shows it, else the order's. Lines are looked at one by one, since a shop cancels and refunds
-- by line; what is stated once for an order (status, date) holds for all its lines.
with exported_refunds as (
    select
        order_source as source,
        order_id,
        event_date,
        refund_amount_original as amount_original,
        refund_amount as amount
    from {{ ref('refund_facts') }}
    where
        held_reason is null
        and excluded_reason is null
        and refund_amount_original <> 0
),

returns as (
    select
        source,
        order_id,
        event_date,
        amount_original,
        amount,
        quantity,
        cost_amount,
        shipping_amount
    from {{ ref('int_order_returns') }}
    where
        held_reason is null
        and excluded_reason is null
),

orders_with_export as (
    select distinct
        source,
        order_id
    from exported_refunds
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
),

-- A refunded order that states no amount was refunded in full.
refunding_lines as (
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

cancelled_orders as (
    select
        source,
        order_id,
        max(cancellation_event_date) as event_date,
        min(cancellation_date_source) as state_date_source
    from lines_with_refund
    where
        order_status = 'cancelled'
        and status = 'cancelled'
    group by source, order_id
),

-- What negative rows and refunds exports take back. Where the order was cancelled as a whole, it
-- counts up to the cancellation, which then takes back only the rest.
taken_back as (
    select
        takes.*,
        cancellations.event_date as cancellation_event_date,
        cancellations.state_date_source as cancellation_date_source
    from (
        select
            source,
            order_id,
            'return' as kind,
            event_date,
            amount_original,
            amount,
            quantity,
            cost_amount,
            shipping_amount
        from returns
        union all
        select
            source,
            order_id,
            'refund' as kind,
            event_date,
            -amount_original as amount_original,
            -amount as amount,
            0 as quantity,
            0 as cost_amount,
            0 as shipping_amount
        from exported_refunds
    ) as takes
    left join cancelled_orders as cancellations
        on
            takes.source = cancellations.source
            and takes.order_id = cancellations.order_id
    where
        cancellations.event_date is null
        or takes.event_date <= cancellations.event_date
),

-- A refund in full is one of what negative rows have left of it.
full_refunds as (
    select
        source,
        order_id,
        max(refund_event_date) as event_date,
        min(refund_date_source) as state_date_source,
        sum(line_refund_original) as amount_original,
        sum(line_refund_amount) as amount
    from lines_with_refund
    where
        has_refund_event
        and not has_stated_refund
    group by source, order_id
),

returned as (
    select
        source,
        order_id,
        -sum(amount_original) as amount_original,
        -sum(amount) as amount
    from returns
    group by source, order_id
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
        full_refunds.source,
        full_refunds.order_id,
        'refund' as kind,
        full_refunds.event_date,
        full_refunds.state_date_source,
        least(full_refunds.amount_original, returned.amount_original) as amount_original,
        least(full_refunds.amount, returned.amount) as amount,
        0 as quantity,
        0 as cost_amount,
        0 as shipping_amount
    from full_refunds
    inner join returned
        on
            full_refunds.source = returned.source
            and full_refunds.order_id = returned.order_id
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
    union all
    select
        source,
        order_id,
        kind,
        event_date,
        'stated' as state_date_source,
        amount_original,
        amount,
        quantity,
        cost_amount,
        shipping_amount
    from taken_back
    union all
    select
        source,
        order_id,
        'cancel' as kind,
        cancellation_event_date as event_date,
        cancellation_date_source as state_date_source,
        -amount_original as amount_original,
        -amount as amount,
        -quantity as quantity,
        -cost_amount as cost_amount,
        -shipping_amount as shipping_amount
    from taken_back
    where cancellation_event_date is not null
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
