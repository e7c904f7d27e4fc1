{#- Time: raw holds UTC, everything a person reads holds business dates of the home's zone.
    Here stand only the names; each engine's form is in macros/engine. -#}

{#- Business date of the UTC timestamp `ts`. -#}
{% macro business_date(ts) -%}
    {{ return(adapter.dispatch('business_date', 'crm')(ts)) }}
{%- endmacro %}

{#- UTC timestamp at which the business date `day` begins. -#}
{% macro business_date_start(day) -%}
    {{ return(adapter.dispatch('business_date_start', 'crm')(day)) }}
{%- endmacro %}

{#- Days from date `earlier` to date `later`, an integer. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'crm')(earlier, later)) }}
{%- endmacro %}

{#- The date `days` after `day`; negative: before. -#}
{% macro add_days(day, days) -%}
    {{ return(adapter.dispatch('add_days', 'crm')(day, days)) }}
{%- endmacro %}
