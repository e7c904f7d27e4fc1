{#- Cost to serve of the rows of interaction_days: what interactions state, and for those that state
    nothing the configured cost of their type. -#}
{% macro cost_to_serve() -%}
    {%- set configured = crm('costs_to_serve') -%}
    {%- if not configured -%}
        {{ return('cost_amount') }}
    {%- endif -%}
    cost_amount + case type
    {%- for each in configured %}
        when {{ text(each.type) }} then {{ money_multiply('(n - costed_n)', each.amount) }}
    {%- endfor %}
        else 0
    end
{%- endmacro %}

{#- An amount of a pass, added up over the window of profitability; 0 where there is none. -#}
{% macro profitability_sum(amount, condition='true', date='event_date') -%}
    cast(
        sum(
            case
                when {{ condition }}
                    and {{ date }} > {{ add_days('as_of_date', '-' ~ crm('profitability_days')) }}
                    then {{ amount }}
                else 0
            end
        ) as decimal(38, 4)
    )
{%- endmacro %}
