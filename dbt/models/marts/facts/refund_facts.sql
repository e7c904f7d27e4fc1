-- A refund finds its order by the order's number, in the source it names or in the only one that
-- has the number. It converts at the date of the order, as all of the order does.
with matches as (
    select
        refunds.source,
        refunds.refund_id,
        count(*) as orders_n,
        min(orders.source) as order_source
    from {{ ref('int_refunds_current') }} as refunds
    inner join {{ ref('order_facts') }} as orders
        on
            refunds.order_id = orders.order_id
            and (refunds.order_source is null or refunds.order_source = orders.source)
    group by refunds.source, refunds.refund_id
),

matched as (
    select
        refunds.*,
        matches.orders_n,
        orders.source as found_source,
        orders.identity_id,
        orders.ordered_date,
        orders.currency as order_currency,
        orders.held_reason as order_held_reason,
        orders.excluded_reason
    from {{ ref('int_refunds_current') }} as refunds
    left join matches
        on
            refunds.source = matches.source
            and refunds.refund_id = matches.refund_id
    left join {{ ref('order_facts') }} as orders
        on
            matches.orders_n = 1
            and matches.order_source = orders.source
            and refunds.order_id = orders.order_id
),

judged as (
    select
        matched.*,
        case
            when orders_n is null then 'unknown_order'
            when orders_n > 1 then 'ambiguous_order'
            when order_held_reason is not null then 'order_held'
            when currency <> order_currency then 'mixed_currency'
        end as held_reason
    from matched
)

select
    judged.source,
    judged.refund_id,
    coalesce(judged.found_source, judged.order_source) as order_source,
    judged.order_id,
    judged.identity_id,
    judged.refunded_date,
    greatest(judged.refunded_date, coalesce(judged.ordered_date, judged.refunded_date))
        as event_date,
    judged.currency,
    cast(judged.refund as decimal(38, 4)) as refund_amount_original,
    cast(
        case
            when judged.held_reason is not null then null
            when judged.currency = {{ text(crm('base_currency')) }} or judged.refund = 0
                then judged.refund
            else {{ money_convert('judged.refund', 'rates.rate') }}
        end as decimal(38, 4)
    ) as refund_amount,
    judged.held_reason,
    judged.excluded_reason,
    judged.version_at,
    judged.load_seq
from judged
left join {{ ref('int_fx_daily') }} as rates
    on
        judged.currency = rates.currency
        and judged.ordered_date = rates.rate_date
