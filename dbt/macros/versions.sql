{#- 1 for the row that stands for its key: the newest version; without versions the newest load;
    of equal versions the greater content hash; of equal content one row. -#}
{% macro newest_first(key) -%}
    row_number() over (
        partition by {{ key | join(', ') }}
        order by
            version_at desc nulls last,
            case when version_at is null then load_seq end desc nulls last,
            row_hash desc nulls last,
            load_seq asc nulls last,
            row_no asc nulls last
    )
{%- endmacro %}
