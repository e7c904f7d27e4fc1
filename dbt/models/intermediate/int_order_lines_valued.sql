{{ config(materialized='view') }}

-- A line is converted at the rate of the order's date, its refund too: what is paid back in full
-- then leaves nothing behind. Lines in the base currency are not converted, which is most of the
-- time saved here.
with rated as (
    select
        lines.*,
        lines.currency = {{ text(crm('base_currency')) }} as is_base,
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
        ('sale_amount', 'sale_amount_original'), ('refund_amount', 'refund'),
        ('cost_amount', 'cost'), ('shipping_amount', 'shipping')
    ] %}
        case
            when rated.is_base or rated.{{ original }} = 0 then rated.{{ original }}
            else {{ money_convert('rated.' ~ original, 'rated.rate') }}
        end as {{ name }},
    {%- endfor %}
    rated.is_base or rated.rate is not null as is_rated
from rated
