{#- What the home decides, out of the var `crm`. -#}

{#- One entry of the configuration. Parsing needs no configuration; running without one is
    refused, because every number depends on it. -#}
{% macro crm(entry) -%}
    {%- set given = var('crm', none) -%}
    {%- if given is none -%}
        {%- if execute -%}
            {{ exceptions.raise_compiler_error(
                "var 'crm' is missing: run dbt through the pipeline, or pass --vars with what "
                "configuration.py: dbt_vars() returns"
            ) }}
        {%- endif -%}
        {%- set given = {
            'time_zone': 'UTC', 'base_currency': 'XXX', 'fx_carry_days': 0,
            'excluded_customer_types': [], 'excluded_order_channels': [],
            'excluded_order_tags': [], 'excluded_product_ids': [],
            'excluded_product_categories': [],
            'population_days': 365,
            'population_events': ['interactions', 'orders', 'surveys'],
            'figure_window_days': 365,
            'margin_share_without_cost': none,
            'profiles': [{'name': 'all', 'customer_types': none}],
            'indicators': [], 'indicator_variants': [],
            'costs_to_serve': [], 'profitability_days': 365,
            'minimum_costed_share': '0.5', 'segment_days': 365, 'segment_attributes': [],
            'campaign_window_days': 30, 'campaign_response_types': []
        } -%}
    {%- endif -%}
    {{ return(given[entry]) }}
{%- endmacro %}

{#- `value` as an SQL text literal. -#}
{% macro text(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{#- `column in (...)`; always false for an empty list. -#}
{% macro is_one_of(column, values) -%}
    {%- if not values -%}
        {{ return('false') }}
    {%- endif -%}
    {%- set literals = [] -%}
    {%- for value in values -%}
        {%- do literals.append(text(value)) -%}
    {%- endfor -%}
    {{ return(column ~ ' in (' ~ literals | join(', ') ~ ')') }}
{%- endmacro %}

{#- Whether `column`, words apart by commas or semicolons, has the word `tag`. -#}
{% macro has_tag(column, tag) -%}
    {%- set words = "replace(replace(" ~ column ~ ", ';', ','), '，', ',')" -%}
    {%- set words = "replace(replace(" ~ words ~ ", ', ', ','), ' ,', ',')" -%}
    {{ return("position(" ~ text(',' ~ tag ~ ',') ~ " in concat(',', " ~ words ~ ", ',')) > 0") }}
{%- endmacro %}

{#- The first profile whose customer types hold `customer_type`; the last takes everyone. -#}
{% macro profile_of(customer_type) -%}
    case
    {%- for profile in crm('profiles') if profile.customer_types is not none %}
        when {{ is_one_of(customer_type, profile.customer_types) }} then {{ text(profile.name) }}
    {%- endfor %}
        when true then {{ text((crm('profiles') | last).name) }}
    end
{%- endmacro %}

{#- The margin that stands in for an order of unknown cost, of which `net_amount` is left. -#}
{% macro margin_without_cost(net_amount) -%}
    {%- set share = crm('margin_share_without_cost') -%}
    {%- if share is none -%}
        {{ return('null') }}
    {%- endif -%}
    {{ return(money_multiply(net_amount, share)) }}
{%- endmacro %}
