with orders as (
    select
        source,
        order_id,
        min(identity_id) as identity_id,
        min(ordered_at) as ordered_at,
        min(currency) as currency,
        max(currency) as last_currency,
        min(channel) as channel,
        count(*) as lines_n,
        sum(case when status = 'open' then 1 else 0 end) as open_lines_n,
        sum(case when status = 'cancelled' then 1 else 0 end) as cancelled_lines_n,
        sum(case when status = 'refunded' then 1 else 0 end) as refunded_lines_n,
        sum(case when refund <> 0 then 1 else 0 end) as stated_refunds_n,
        sum(case when is_rated then 0 else 1 end) as unrated_lines_n,
        count(cost) as costed_lines_n,
        sum(quantity) as quantity,
        sum(sale_amount_original) as sale_amount_original,
        sum(sale_amount) as sale_amount,
        sum(refund) as refund_stated_original,
        sum(refund_amount) as refund_stated_amount,
        sum(case when status = 'refunded' then sale_amount_original else 0 end)
            as refunded_sale_original,
        sum(case when status = 'refunded' then sale_amount else 0 end) as refunded_sale_amount,
        sum(cost_amount) as cost_amount,
        sum(coalesce(shipping_amount, 0)) as shipping_amount,
        max(version_at) as version_at,
        max(load_seq) as load_seq
    from {{ ref('int_order_lines_valued') }}
    group by source, order_id
),

judged as (
    select
        orders.*,
        case
            when open_lines_n > 0 then 'open'
            when cancelled_lines_n = lines_n then 'cancelled'
            when cancelled_lines_n + refunded_lines_n = lines_n then 'refunded'
            else 'completed'
        end as status,
        case
            when currency <> last_currency then 'mixed_currency'
            when unrated_lines_n > 0 then 'no_rate'
        end as held_reason
    from orders
)

select
    source,
    order_id,
    identity_id,
    ordered_at,
    {{ business_date('ordered_at') }} as ordered_date,
    status,
    currency,
    channel,
    lines_n,
    quantity,
    sale_amount_original,
    case when held_reason is null then sale_amount end as sale_amount,
    -- A refunded order that states no amount was refunded in full.
    case
        when stated_refunds_n = 0 then refunded_sale_original else refund_stated_original
    end as refund_amount_original,
    case
        when held_reason is not null then null
        when stated_refunds_n = 0 then refunded_sale_amount
        else refund_stated_amount
    end as refund_amount,
    case
        when held_reason is null and costed_lines_n = lines_n then cost_amount
    end as cost_amount,
    case when held_reason is null then shipping_amount end as shipping_amount,
    held_reason,
    case
        when status = 'open' then 'not_completed'
        when {{ is_one_of('channel', crm('excluded_order_channels')) }}
            then concat('channel:', channel)
    end as excluded_reason,
    version_at,
    load_seq
from judged
