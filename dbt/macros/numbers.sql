{#- Exact arithmetic whose form differs between engines. Money is multiplied nowhere else:
    a decimal product overflows in one engine and is cut in another. -#}

{#- `a` x `b`, less `less`, rounded once to DECIMAL(18,4), half away from zero. -#}
{% macro money_multiply(a, b, less='0') -%}
    {{ return(adapter.dispatch('money_multiply', 'crm')(a, b, less)) }}
{%- endmacro %}

{#- `amount` at `rate` (units of base currency for one), rounded once to DECIMAL(18,4). -#}
{% macro money_convert(amount, rate) -%}
    {{ return(adapter.dispatch('money_convert', 'crm')(amount, rate)) }}
{%- endmacro %}

{#- A decimal as a whole number of 1/`parts`, BIGINT; `parts` is 10000 or 1000000. -#}
{% macro in_parts(amount, parts) -%}
    {{ return(adapter.dispatch('in_parts', 'crm')(amount, parts)) }}
{%- endmacro %}

{#- Whole quotient of two integers >= 0. -#}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient', 'crm')(dividend, divisor)) }}
{%- endmacro %}

{#- `score` on the scale `low`..`high` as 0-100, DECIMAL(7,4), half up, 100 the best answer. -#}
{% macro answer_score(score, low, high, direction) -%}
    {{ return(adapter.dispatch('answer_score', 'crm')(score, low, high, direction)) }}
{%- endmacro %}

{#- The number under `key` in the JSON object `document`, DOUBLE; NULL where there is none. -#}
{% macro json_number(document, key) -%}
    {{ return(adapter.dispatch('json_number', 'crm')(document, key)) }}
{%- endmacro %}

{#- The text under `key` in the JSON object `document`; NULL where there is none. -#}
{% macro json_text(document, key) -%}
    {{ return(adapter.dispatch('json_text', 'crm')(document, key)) }}
{%- endmacro %}

{#- Each identity of a list of ids, a row for each; of no list, none. -#}
{% macro each_listed_identity(ids) -%}
    {{ return(adapter.dispatch('each_listed_identity', 'crm')(ids)) }}
{%- endmacro %}

{#- A 64-bit print of columns. Equal columns have equal prints; the reverse must not be relied
    on: it only narrows what is then compared exactly. -#}
{% macro print_of(columns) -%}
    {{ return(adapter.dispatch('print_of', 'crm')(columns)) }}
{%- endmacro %}

{#- Product of two integers, BIGINT. -#}
{% macro whole_product(a, b) -%}
    {{ return(adapter.dispatch('whole_product', 'crm')(a, b)) }}
{%- endmacro %}
