-- What the customer export says beside its named columns, for the columns that crm.yaml asks for.
{% for attribute in crm('segment_attributes') %}
    select
        attributes.customer_key,
        {{ text(attribute) }} as attribute,
        {{ json_text('attributes.attributes', attribute) }} as value
    from {{ ref('int_customer_attributes') }} as attributes
    inner join {{ ref('customer_features') }} as features
        on attributes.customer_key = features.customer_key
    where {{ json_text('attributes.attributes', attribute) }} is not null
    union all
{% endfor %}
select
    features.customer_key,
    cast(null as varchar) as attribute,
    cast(null as varchar) as value
from {{ ref('customer_features') }} as features
where 1 = 0
