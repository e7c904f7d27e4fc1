{{ config(materialized='view') }}

-- A line is converted at the rate of the order's date, its refund too: what is paid back in full
-- then leaves nothing behind. Lines in the base currency are not converted, which is most of the
-- time saved here.
with rated as (
    select
        lines.*,
        lines.currency = {{ text(crm('base_currency')) }} as is_base,
        (lines.quantity < 0 and lines.unit_price > 0)
        or (lines.quantity > 0 and lines.unit_price < 0) as is_return,
        rates.rate,
        {{ money_multiply('lines.quantity', 'lines.unit_price', 'lines.discount') }}
            as sale_amount_original
    from {{ ref('int_order_lines_current') }} as lines
    left join {{ ref('int_fx_daily') }} as rates
        on
            lines.currency = rates.currency
            and case
                when lines.currency <> {{ text(crm('base_currency')) }} then lines.ordered_date
            end = rates.rate_date
)

select
    rated.*,
    {%- for name, original in [
        ('sale_amount', 'sale_amount_original'), ('discount_amount', 'discount'),
        ('refund_amount', 'refund'), ('cost_amount', 'cost'), ('shipping_amount', 'shipping'),
        ('charged_amount', 'charged')
    ] %}
        case
            when rated.is_base or rated.{{ original }} = 0 then rated.{{ original }}
            else {{ money_convert('rated.' ~ original, 'rated.rate') }}
        end as {{ name }},
    {%- endfor %}
    rated.is_base or rated.rate is not null as is_rated,
    -- Gift cards and the like leave their lines, not their orders. A return that is still open
    -- has given nothing back yet.
    case
        when rated.is_return and rated.status = 'open' then 'not_completed'
        when {{ is_one_of('rated.product_category', crm('excluded_product_categories')) }}
            then concat('product_category:', rated.product_category)
        when {{ is_one_of('rated.product_id', crm('excluded_product_ids')) }}
            then concat('product_id:', rated.product_id)
    end as left_out_rule
from rated
