{#- DuckDB's form of macros/numbers.sql. DECIMAL(38,8) x DECIMAL(38,8) is DECIMAL(38,16): exact up
    to 10^22, and a cast to fewer places rounds half away from zero. -#}

{#- Small factors are exact in 64 bits, several times faster: (8,4) x (9,4) is (17,8), and less a
    (13,8) still has 18 digits. -#}
{% macro duckdb__money_multiply(a, b, less) -%}
    case
        when
            {{ a }} between -9999 and 9999
            and {{ b }} between -99999 and 99999
            and {{ less }} between -99999 and 99999
            then cast(
                cast({{ a }} as decimal(8, 4)) * cast({{ b }} as decimal(9, 4))
                - cast({{ less }} as decimal(13, 8))
                as decimal(18, 4)
            )
        else cast(
            cast({{ a }} as decimal(38, 8)) * cast({{ b }} as decimal(38, 8))
            - cast({{ less }} as decimal(38, 16))
            as decimal(18, 4)
        )
    end
{%- endmacro %}

{#- Likewise (9,4) x (9,8) is (18,12). -#}
{% macro duckdb__money_convert(amount, rate) -%}
    case
        when {{ amount }} between -99999 and 99999 and {{ rate }} between 0 and 9
            then cast(
                cast({{ amount }} as decimal(9, 4)) * cast({{ rate }} as decimal(9, 8))
                as decimal(18, 4)
            )
        else cast(
            cast({{ amount }} as decimal(38, 8)) * cast({{ rate }} as decimal(38, 8))
            as decimal(18, 4)
        )
    end
{%- endmacro %}

{% macro duckdb__in_parts(amount, parts) -%}
    cast(({{ amount }}) * {{ parts }} as bigint)
{%- endmacro %}

{% macro duckdb__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) // ({{ divisor }}))
{%- endmacro %}

{#- Whole numbers all the way: twice the numerator plus the denominator over twice the denominator
    is the quotient rounded half up. -#}
{% macro duckdb__answer_score(score, low, high, direction) -%}
    {%- set range = in_parts(high ~ ' - ' ~ low, 10000) -%}
    {%- set better = 'case when ' ~ direction ~ " = 'lower_is_better' then " ~ high ~ ' - ' ~ score
        ~ ' else ' ~ score ~ ' - ' ~ low ~ ' end' -%}
    cast(
        cast(
            (2000000 * {{ in_parts(better, 10000) }} + {{ range }})
            // (2 * {{ range }}) as decimal(18, 0)
        ) / 10000 as decimal(7, 4)
    )
{%- endmacro %}

{% macro duckdb__json_text(document, key) -%}
    json_extract_string({{ document }}, {{ text('$."' ~ key ~ '"') }})
{%- endmacro %}

{% macro duckdb__json_number(document, key) -%}
    try_cast({{ json_text(document, key) }} as double)
{%- endmacro %}

{% macro duckdb__each_listed_identity(ids) -%}
    unnest(list_transform({{ ids }}, lambda one: one.identity_id))
{%- endmacro %}

{% macro duckdb__print_of(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{% macro duckdb__whole_product(a, b) -%}
    (cast({{ a }} as bigint) * cast({{ b }} as bigint))
{%- endmacro %}
