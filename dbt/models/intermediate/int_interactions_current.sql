{{ config(materialized='view') }}

with uncontested as (
    select interactions.*
    from {{ ref('stg_raw__interactions') }} as interactions
    where not exists (
        select 1
        from {{ ref('int_contested_interactions') }} as contested
        where
            contested.interaction_print
            = {{ print_of(['interactions.source', 'interactions.interaction_id']) }}
    )
),

ranked as (
    select
        contested.*,
        {{ newest_first(['source', 'interaction_id']) }} as newness
    from {{ ref('int_contested_interactions') }} as contested
)

select
    source,
    interaction_id,
    identity_id,
    occurred_at,
    business_date,
    type,
    channel,
    duration_seconds,
    completion,
    cost
from uncontested
union all
select
    source,
    interaction_id,
    identity_id,
    occurred_at,
    business_date,
    type,
    channel,
    duration_seconds,
    completion,
    cost
from ranked
where newness = 1
