{#- No two rows agree in `columns`; two NULLs agree. -#}
{% test unique_rows(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as rows_n
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
