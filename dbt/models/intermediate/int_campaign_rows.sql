-- Who was treated or kept apart, row by row, and what becomes of the row.
with ranked as (
    select
        campaigns.source,
        campaigns.campaign_id,
        campaigns.identity_id,
        campaigns.group_name,
        campaigns.treated_date,
        {{ newest_first(['source', 'campaign_id', 'identity_id']) }} as newness
    from {{ ref('stg_raw__campaigns') }} as campaigns
)

select
    ranked.source,
    ranked.campaign_id,
    ranked.identity_id,
    ranked.group_name,
    ranked.treated_date,
    identities.customer_key,
    case
        when ranked.newness > 1 then 'superseded'
        when ranked.treated_date > inputs.as_of_date then 'after_date'
        when excluded.identity_id is not null then 'excluded'
        -- No customer record, order, interaction or answer names it: nothing is known of it.
        when identities.identity_id is null then 'unattributed'
        else 'counted'
    end as state
from ranked
cross join {{ ref('stg_night__inputs') }} as inputs
left join {{ ref('customer_identities') }} as identities
    on ranked.identity_id = identities.identity_id
left join {{ ref('int_excluded_identities') }} as excluded
    on ranked.identity_id = excluded.identity_id
