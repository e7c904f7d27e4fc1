-- Identity, currency, channel, tags, status and date are the order's and come from all its lines;
-- amounts come from the lines that sold something. What negative rows take back stands in
-- int_order_returns, at its own date. Lines that name several customers hold the order, which
-- is nobody's meanwhile: to take one of them would give it the others' money.
with lines as (
    select
        valued.*,
        not valued.is_return and valued.left_out_rule is null as is_sale
    from {{ ref('int_order_lines_valued') }} as valued
),

orders as (
    select
        source,
        order_id,
        -- The buyer is known by an id before an e-mail address before a telephone number.
        coalesce(
            min(case when identity_rank = 1 then identity_id end),
            min(case when identity_rank = 2 then identity_id end),
            min(identity_id)
        ) as identity_id,
        coalesce(
            max(case when identity_rank = 1 then identity_id end),
            max(case when identity_rank = 2 then identity_id end),
            max(identity_id)
        ) as last_identity_id,
        min(ordered_at) as ordered_at,
        min(currency) as currency,
        max(currency) as last_currency,
        min(channel) as channel,
        {%- for tag in crm('excluded_order_tags') %}
            max(case when {{ has_tag('tags', tag) }} then 1 else 0 end) as tag_{{ loop.index }}_n,
        {%- endfor %}
        count(*) as lines_n,
        sum(case when is_return then 0 else 1 end) as bought_lines_n,
        sum(case when is_return and left_out_rule is null then 1 else 0 end) as returned_lines_n,
        count(left_out_rule) as left_out_lines_n,
        min(left_out_rule) as left_out_rule,
        count(case when not is_return then status end) as stated_lines_n,
        sum(case when not is_return and status = 'open' then 1 else 0 end) as open_lines_n,
        sum(case when not is_return and status = 'cancelled' then 1 else 0 end)
            as cancelled_lines_n,
        sum(case when not is_return and status = 'refunded' then 1 else 0 end)
            as refunded_lines_n,
        sum(case when left_out_rule is null and not is_rated then 1 else 0 end)
            as unrated_lines_n,
        count(case when left_out_rule is null then cost end) as costed_lines_n,
        sum(case when is_sale then quantity else 0 end) as quantity,
        sum(case when is_sale then sale_amount_original else 0 end) as sale_amount_original,
        sum(case when is_sale then sale_amount else 0 end) as sale_amount,
        sum(case when is_sale then discount_amount else 0 end) as discount_amount,
        sum(case when left_out_rule is not null then sale_amount_original else 0 end)
            as left_out_amount_original,
        sum(case when is_sale then cost_amount else 0 end) as cost_amount,
        sum(case when is_sale then coalesce(shipping_amount, 0) else 0 end) as shipping_amount,
        sum(case when is_sale then charged else 0 end) as charged_amount_original,
        sum(case when is_sale then charged_amount else 0 end) as charged_amount,
        max(version_at) as version_at,
        max(load_seq) as load_seq
    from lines
    group by source, order_id
),

-- A line that states no status has that of the others, where they agree.
judged as (
    select
        orders.*,
        case
            when open_lines_n > 0 then 'open'
            when stated_lines_n > 0 and cancelled_lines_n = stated_lines_n then 'cancelled'
            when stated_lines_n > 0 and refunded_lines_n = stated_lines_n then 'refunded'
            when bought_lines_n > 0 and cancelled_lines_n + refunded_lines_n = bought_lines_n
                then 'refunded'
            else 'completed'
        end as status,
        case
            when currency <> last_currency then 'mixed_currency'
            when identity_id <> last_identity_id then 'several_customers'
            when unrated_lines_n > 0 then 'no_rate'
        end as held_reason
    from orders
)

select
    source,
    order_id,
    case when identity_id = last_identity_id then identity_id end as identity_id,
    ordered_at,
    {{ business_date('ordered_at') }} as ordered_date,
    status,
    currency,
    channel,
    lines_n,
    cast(returned_lines_n as bigint) as returned_lines_n,
    cast(left_out_lines_n as bigint) as left_out_lines_n,
    cast(quantity as decimal(38, 4)) as quantity,
    cast(sale_amount_original as decimal(38, 4)) as sale_amount_original,
    cast(case when held_reason is null then sale_amount end as decimal(38, 4)) as sale_amount,
    cast(case when held_reason is null then discount_amount end as decimal(38, 4))
        as discount_amount,
    cast(left_out_amount_original as decimal(38, 4)) as left_out_amount_original,
    cast(
        case
            when held_reason is null and costed_lines_n = lines_n - left_out_lines_n
                then cost_amount
        end as decimal(38, 4)
    ) as cost_amount,
    cast(case when held_reason is null then shipping_amount end as decimal(38, 4))
        as shipping_amount,
    cast(greatest(charged_amount_original, 0) as decimal(38, 4)) as charged_amount_original,
    cast(case when held_reason is null then greatest(charged_amount, 0) end as decimal(38, 4))
        as charged_amount,
    held_reason,
    case
        when status = 'open' then 'not_completed'
        when {{ is_one_of('channel', crm('excluded_order_channels')) }}
            then concat('channel:', channel)
        {%- for tag in crm('excluded_order_tags') %}
            when tag_{{ loop.index }}_n = 1 then {{ text('tag:' ~ tag) }}
        {%- endfor %}
        when left_out_lines_n = lines_n then left_out_rule
    end as excluded_reason,
    version_at,
    load_seq
from judged
