{{ config(materialized='view') }}

select
    identities.identity_id,
    exclusions.rule
from {{ ref('customer_identities') }} as identities
inner join {{ ref('customer_exclusions') }} as exclusions
    on identities.customer_key = exclusions.customer_key
