{#- DuckDB's form of macros/time.sql. -#}

{% macro duckdb__business_date(ts) -%}
    cast(timezone({{ text(crm('time_zone')) }}, timezone('UTC', {{ ts }})) as date)
{%- endmacro %}

{% macro duckdb__business_date_start(day) -%}
    timezone('UTC', timezone({{ text(crm('time_zone')) }}, cast({{ day }} as timestamp)))
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{% macro duckdb__add_days(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro %}
