with seen as (
    select versions.identity_id
    from {{ ref('customer_versions') }} as versions
    union distinct
    select orders.identity_id
    from {{ ref('order_facts') }} as orders
    inner join {{ ref('stg_night__inputs') }} as inputs
        on orders.ordered_date <= inputs.as_of_date
    where orders.identity_id is not null
    union distinct
    select interactions.identity_id
    from {{ ref('int_identity_interactions') }} as interactions
    union distinct
    select answers.identity_id
    from {{ ref('survey_answers') }} as answers
    inner join {{ ref('stg_night__inputs') }} as inputs
        on answers.responded_date <= inputs.as_of_date
    where answers.identity_id is not null
),

excluded as (
    select
        identity_id,
        min(rule) as rule
    from {{ ref('stg_night__excluded_identities') }}
    group by identity_id
)

select
    seen.identity_id,
    coalesce(map.customer_key, seen.identity_id) as customer_key,
    excluded.rule as listed_rule
from seen
left join {{ ref('stg_night__customer_map') }} as map
    on seen.identity_id = map.identity_id
left join excluded
    on seen.identity_id = excluded.identity_id
