with listed as (
    select
        customer_key,
        min(listed_rule) as rule
    from {{ ref('customer_identities') }}
    where listed_rule is not null
    group by customer_key
),

typed as (
    select
        customer_key,
        concat('customer_type:', customer_type) as rule
    from {{ ref('int_customer_attributes') }}
    where {{ is_one_of('customer_type', crm('excluded_customer_types')) }}
)

select
    coalesce(listed.customer_key, typed.customer_key) as customer_key,
    coalesce(listed.rule, typed.rule) as rule
from listed
full outer join typed
    on listed.customer_key = typed.customer_key
