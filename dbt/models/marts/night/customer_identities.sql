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
),

-- Listed ids that a rule keeps from joining: nobody else stands under their key.
alone as (
    select customer_key as identity_id
    from {{ ref('stg_night__customer_map') }}
    group by customer_key
    having count(*) = 1
),

-- An id that one customer alone lists, and nothing else names, is in no map: it is whose record
-- lists it.
listed as (
    select
        ids.listed_identity_id as identity_id,
        min(ids.identity_id) as listing_identity_id
    from {{ ref('int_listed_ids') }} as ids
    inner join {{ ref('stg_night__inputs') }} as inputs
        on ids.valid_from is null or ids.valid_from <= inputs.as_of_date
    where ids.listed_identity_id not in (select alone.identity_id from alone)
    group by ids.listed_identity_id
),

named as (
    select
        seen.identity_id,
        seen.identity_id as known_identity_id
    from seen
    union all
    select
        listed.identity_id,
        case
            when map.identity_id is null then listed.listing_identity_id
            else listed.identity_id
        end as known_identity_id
    from listed
    left join {{ ref('stg_night__customer_map') }} as map
        on listed.identity_id = map.identity_id
    where listed.identity_id not in (select seen.identity_id from seen)
)

select
    named.identity_id,
    coalesce(map.customer_key, named.known_identity_id) as customer_key,
    excluded.rule as listed_rule
from named
left join {{ ref('stg_night__customer_map') }} as map
    on named.known_identity_id = map.identity_id
left join excluded
    on named.identity_id = excluded.identity_id
