{#- The catalogue of indicator kinds. The home's configuration names instances; here each kind
    says what it gathers in the pass over its facts (`accumulators`: one aggregate each, and how
    two of them combine) and how the gathered becomes the value of a customer (`value`).

    Columns a pass must offer, all with as_of_date and, where half-lives are in use, weight_<days>:
      orders          event_date, channel, amount, quantity, cost_amount, shipping_amount,
                      is_costed, is_purchase (of sales; false on reversals)
      purchase_days   purchase_date, previous_date, first_date
      interactions    business_date, type, channel, n, duration_seconds, completion_millionths,
                      cost_amount
      survey_answers  responded_date, instrument, answer_score
    Nothing but integers and decimals is summed, so the order of rows never matters. -#}

{#- ------------------------------------------------------------------ what a pass gathers -#}

{#- Everything that is gathered: the indicators, and those that a profile measures otherwise. -#}
{% macro gathered_indicators() -%}
    {{ return(crm('indicators') + crm('indicator_variants')) }}
{%- endmacro %}

{#- The pass that serves an indicator. -#}
{% macro pass_of(indicator) -%}
    {%- if indicator.kind == 'active_share' -%}
        {{ return('purchase_days') }}
    {%- endif -%}
    {{ return({'surveys': 'survey_answers'}.get(indicator.of, indicator.of)) }}
{%- endmacro %}

{#- All accumulators of one pass: {name, type, function (sum or max), of}. -#}
{% macro accumulators_of(pass) -%}
    {%- set kinds = {
        'sum': adapter.dispatch('sum_accumulators', 'crm'),
        'count': adapter.dispatch('count_accumulators', 'crm'),
        'decayed_count': adapter.dispatch('decayed_count_accumulators', 'crm'),
        'days_since': adapter.dispatch('days_since_accumulators', 'crm'),
        'active_share': adapter.dispatch('active_share_accumulators', 'crm'),
        'mean_answer': adapter.dispatch('mean_answer_accumulators', 'crm'),
        'attribute': adapter.dispatch('attribute_accumulators', 'crm')
    } -%}
    {%- set found = [] -%}
    {%- for indicator in gathered_indicators() -%}
        {%- if pass_of(indicator) == pass -%}
            {%- do found.extend(kinds[indicator.kind](indicator)) -%}
        {%- endif -%}
        {%- if pass == 'interactions' and indicator.absent == 'zero_if_contact' -%}
            {%- do found.append({
                'name': indicator.name ~ '__contacts', 'type': 'bigint', 'function': 'sum',
                'of': 'case when ' ~ in_window(indicator, 'business_date') ~ ' then n end'
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The aggregates of one pass, each after a comma. -#}
{% macro accumulate(pass) -%}
    {%- for each in accumulators_of(pass) %}
    , cast({{ each.function }}({{ each.of }}) as {{ each.type }}) as {{ each.name }}
    {%- endfor %}
{%- endmacro %}

{#- The same aggregates over rows that are gathered already (identities of one customer). -#}
{% macro combine(pass) -%}
    {%- for each in accumulators_of(pass) %}
    , cast({{ each.function }}({{ each.name }}) as {{ each.type }}) as {{ each.name }}
    {%- endfor %}
{%- endmacro %}

{#- One row an age, one column a half-life that the pass uses. -#}
{% macro decay_weights(pass) -%}
    {%- set half_lives = [] -%}
    {%- for indicator in gathered_indicators()
        if indicator.half_life_days is not none and pass_of(indicator) == pass -%}
        {%- do half_lives.append(indicator.half_life_days) -%}
    {%- endfor %}
    select
        age_days
        {%- for half_life in half_lives | unique | sort %}
        , max(case when half_life_days = {{ half_life }} then weight_millionths end)
            as weight_{{ half_life }}
        {%- endfor %}
    from {{ ref('stg_night__decay_weights') }}
    group by age_days
{%- endmacro %}

{#- The indicator's window, which ends on D; all facts of a pass are on or before D. -#}
{% macro in_window(indicator, date) -%}
    {%- if indicator.window_days is none -%}
        {{ return('true') }}
    {%- endif -%}
    {{ return(date ~ ' > ' ~ add_days('as_of_date', -indicator.window_days)) }}
{%- endmacro %}

{#- Window and filters of an indicator on one pass. -#}
{% macro counts_for(indicator) -%}
    {%- set dates = {'orders': 'event_date', 'interactions': 'business_date'} -%}
    {%- set conditions = [in_window(indicator, dates[indicator.of])] -%}
    {%- if indicator.types -%}
        {%- do conditions.append(is_one_of('type', indicator.types)) -%}
    {%- endif -%}
    {%- if indicator.channels -%}
        {%- do conditions.append(is_one_of('channel', indicator.channels)) -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{%- endmacro %}

{#- A faulty declaration, named. -#}
{% macro refuse_indicator(indicator, why) -%}
    {{ exceptions.raise_compiler_error('indicator ' ~ indicator.name ~ ': ' ~ why) }}
{%- endmacro %}

{#- Sums of amounts and of whole numbers. -#}
{% macro default__sum_accumulators(indicator) -%}
    {%- set columns = {
        'orders': {'net_revenue': 'amount', 'quantity': 'quantity', 'margin': 'margin'},
        'interactions': {
            'duration_seconds': 'duration_seconds', 'completion': 'completion_millionths',
            'cost': 'cost_amount'
        }
    } -%}
    {%- if indicator.column not in columns[indicator.of] -%}
        {%- do refuse_indicator(indicator, 'column must be one of '
            ~ columns[indicator.of] | join(', ')) -%}
    {%- endif -%}
    {%- set when = 'case when ' ~ counts_for(indicator) -%}
    {%- set total = {
        'name': indicator.name ~ '__total', 'function': 'sum',
        'type': 'bigint' if indicator.column in ('duration_seconds', 'completion')
        else 'decimal(38, 4)'
    } -%}
    {%- if indicator.column != 'margin' -%}
        {%- do total.update({
            'of': when ~ ' then ' ~ columns[indicator.of][indicator.column] ~ ' end'
        }) -%}
        {{ return([total]) }}
    {%- endif -%}
    {%- do total.update({
        'of': when ~ ' and is_costed then amount - cost_amount - shipping_amount end'
    }) -%}
    {{ return([
        total,
        {'name': indicator.name ~ '__purchases', 'type': 'bigint', 'function': 'sum',
         'of': when ~ ' and is_purchase then 1 end'},
        {'name': indicator.name ~ '__costed', 'type': 'bigint', 'function': 'sum',
         'of': when ~ ' and is_purchase and is_costed then 1 end'}
    ]) }}
{%- endmacro %}

{% macro default__count_accumulators(indicator) -%}
    {%- if indicator.skip_first and (indicator.of != 'orders' or indicator.channels) -%}
        {%- do refuse_indicator(indicator, 'skip_first is for orders of all channels') -%}
    {%- endif -%}
    {%- set counted = ' and is_purchase then 1' if indicator.of == 'orders' else ' then n' -%}
    {{ return([{
        'name': indicator.name ~ '__count', 'type': 'bigint', 'function': 'sum',
        'of': 'case when ' ~ counts_for(indicator) ~ counted ~ ' end'
    }]) }}
{%- endmacro %}

{% macro default__decayed_count_accumulators(indicator) -%}
    {%- set weight = 'coalesce(weight_' ~ indicator.half_life_days ~ ', 0)' -%}
    {%- set counted = ' and is_purchase then ' ~ weight if indicator.of == 'orders'
        else ' then ' ~ whole_product(weight, 'n') -%}
    {{ return([{
        'name': indicator.name ~ '__millionths', 'type': 'bigint', 'function': 'sum',
        'of': 'case when ' ~ counts_for(indicator) ~ counted ~ ' end'
    }]) }}
{%- endmacro %}

{% macro default__days_since_accumulators(indicator) -%}
    {%- set date = ' and is_purchase then event_date' if indicator.of == 'orders'
        else ' then business_date' -%}
    {{ return([{
        'name': indicator.name ~ '__last_date', 'type': 'date', 'function': 'max',
        'of': 'case when ' ~ counts_for(indicator) ~ date ~ ' end'
    }]) }}
{%- endmacro %}

{#- Periods begin with the first purchase; a purchase day opens a new active period when the one
    before it lies in another. -#}
{% macro default__active_share_accumulators(indicator) -%}
    {%- if indicator.channels -%}
        {%- do refuse_indicator(indicator, 'active_share counts purchases of all channels') -%}
    {%- endif -%}
    {%- set period = whole_quotient(
        days_between('first_date', 'purchase_date'), indicator.period_days
    ) -%}
    {%- set previous = whole_quotient(
        days_between('first_date', 'previous_date'), indicator.period_days
    ) -%}
    {{ return([{
        'name': indicator.name ~ '__periods', 'type': 'bigint', 'function': 'sum',
        'of': 'case when previous_date is null or ' ~ period ~ ' <> ' ~ previous
            ~ ' then 1 end'
    }]) }}
{%- endmacro %}

{% macro default__mean_answer_accumulators(indicator) -%}
    {%- set weight = '1000000' if indicator.half_life_days is none
        else 'coalesce(weight_' ~ indicator.half_life_days ~ ', 0)' -%}
    {%- set when = 'case when instrument = ' ~ text(indicator.instrument) ~ ' and '
        ~ in_window(indicator, 'responded_date') ~ ' then ' -%}
    {{ return([
        {'name': indicator.name ~ '__weight', 'type': 'bigint', 'function': 'sum',
         'of': when ~ weight ~ ' end'},
        {'name': indicator.name ~ '__weighted', 'type': 'bigint', 'function': 'sum',
         'of': when ~ whole_product(weight, in_parts('answer_score', 10000)) ~ ' end'}
    ]) }}
{%- endmacro %}

{#- Stands in the customer's record: there is nothing to gather. -#}
{% macro default__attribute_accumulators(indicator) -%}
    {{ return([]) }}
{%- endmacro %}

{#- ------------------------------------------------------- from the gathered to the value -#}

{#- All indicator columns of customer_features, each after a comma. -#}
{% macro indicator_columns() -%}
    {%- set kinds = {
        'sum': adapter.dispatch('sum_value', 'crm'),
        'count': adapter.dispatch('count_value', 'crm'),
        'decayed_count': adapter.dispatch('decayed_count_value', 'crm'),
        'days_since': adapter.dispatch('days_since_value', 'crm'),
        'active_share': adapter.dispatch('active_share_value', 'crm'),
        'mean_answer': adapter.dispatch('mean_answer_value', 'crm'),
        'attribute': adapter.dispatch('attribute_value', 'crm')
    } -%}
    {%- for indicator in crm('indicators') %}
    , cast({{ by_profile(indicator, kinds[indicator.kind]) }} as double)
        as {{ indicator.name }}__value
    {%- if indicator.kind == 'mean_answer' %}
    , cast(coalesce({{ by_profile(indicator, answers_weight) }}, 0) as double) / 1000000
        as {{ indicator.name }}__n
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{% macro answers_weight(indicator) -%}
    {{ return('answers.' ~ indicator.name ~ '__weight') }}
{%- endmacro %}

{#- What `value` makes of an indicator, or of the variant that the customer's profile measures. -#}
{% macro by_profile(indicator, value) -%}
    {%- set variants = [] -%}
    {%- for variant in crm('indicator_variants') if variant.variant_of == indicator.name -%}
        {%- do variants.append('when (' ~ profile_of('attributes.customer_type') ~ ') = '
            ~ text(variant.profile) ~ ' then ' ~ value(variant)) -%}
    {%- endfor -%}
    {%- if not variants -%}
        {{ return(value(indicator)) }}
    {%- endif -%}
    {{ return('case ' ~ variants | join(' ') ~ ' else ' ~ value(indicator) ~ ' end') }}
{%- endmacro %}

{#- What a customer without a row gets: nothing measured, or measured and none. -#}
{% macro absent_as_declared(indicator, value, first_date) -%}
    {%- if indicator.absent == 'zero' -%}
        {{ return('case when first_dates.' ~ first_date
            ~ ' <= base.as_of_date then coalesce(' ~ value ~ ', 0) end') }}
    {%- elif indicator.absent == 'zero_if_contact' -%}
        {{ return('coalesce(' ~ value ~ ', case when interactions.' ~ indicator.name
            ~ '__contacts > 0 then 0 end)') }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}

{% macro default__sum_value(indicator) -%}
    {%- set total = 'cast(' ~ indicator.of ~ '.' ~ indicator.name ~ '__total as double)' -%}
    {%- if indicator.column == 'completion' -%}
        {%- set total = total ~ ' / 1000000' -%}
    {%- endif -%}
    {%- if indicator.column != 'margin' -%}
        {{ return(absent_as_declared(
            indicator, total, 'first_' ~ indicator.of ~ '_date'
        )) }}
    {%- endif -%}
    {#- Purchases of unknown cost do not make a margin of zero. -#}
    {{ return('case when orders.' ~ indicator.name ~ '__purchases is null or orders.'
        ~ indicator.name ~ '__costed > 0 then '
        ~ absent_as_declared(indicator, total, 'first_cost_date') ~ ' end') }}
{%- endmacro %}

{% macro default__count_value(indicator) -%}
    {%- set count = indicator.of ~ '.' ~ indicator.name ~ '__count' -%}
    {%- if indicator.skip_first -%}
        {%- set first_counts = '1' if indicator.window_days is none
            else 'case when orders.first_purchase_date > '
            ~ add_days('base.as_of_date', -indicator.window_days) ~ ' then 1 else 0 end' -%}
        {%- set count = count ~ ' - ' ~ first_counts -%}
    {%- endif -%}
    {{ return(absent_as_declared(indicator, count, 'first_' ~ indicator.of ~ '_date')) }}
{%- endmacro %}

{% macro default__decayed_count_value(indicator) -%}
    {{ return(absent_as_declared(
        indicator,
        'cast(' ~ indicator.of ~ '.' ~ indicator.name ~ '__millionths as double) / 1000000',
        'first_' ~ indicator.of ~ '_date'
    )) }}
{%- endmacro %}

{% macro default__days_since_value(indicator) -%}
    {{ return(days_between(
        indicator.of ~ '.' ~ indicator.name ~ '__last_date', 'base.as_of_date'
    )) }}
{%- endmacro %}

{% macro default__active_share_value(indicator) -%}
    {%- set age = days_between('orders.first_purchase_date', 'base.as_of_date') -%}
    {{ return('case when ' ~ age ~ ' >= ' ~ (indicator.minimum_age_days or 0)
        ~ ' then cast(days.' ~ indicator.name ~ '__periods as double) / ('
        ~ whole_quotient(age, indicator.period_days) ~ ' + 1) end') }}
{%- endmacro %}

{% macro default__mean_answer_value(indicator) -%}
    {%- set weight = 'answers.' ~ indicator.name ~ '__weight' -%}
    {{ return('cast(answers.' ~ indicator.name ~ '__weighted as double) / nullif('
        ~ whole_product(weight, 10000) ~ ', 0)') }}
{%- endmacro %}

{% macro default__attribute_value(indicator) -%}
    {%- set number = json_number('attributes.attributes', indicator.column) -%}
    {{ return('coalesce(' ~ number ~ ', 0)' if indicator.absent == 'zero' else number) }}
{%- endmacro %}
