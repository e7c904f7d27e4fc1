-- Refunds, returns and cancellations of orders as events, each part of an order taken back once.
-- What lines take back, and when, stands in int_dated_reversals; what of a refund is no revenue,
-- in int_order_reversals.
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

cancelled_orders as (
    select
        source,
        order_id,
        max(cancellation_event_date) as event_date,
        min(cancellation_date_source) as state_date_source
    from {{ ref('int_dated_reversals') }}
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
    from {{ ref('int_dated_reversals') }}
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
    from {{ ref('int_dated_reversals') }}
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
    from {{ ref('int_dated_reversals') }}
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
