select
    coalesce(map.customer_key, gathered.identity_id) as customer_key,
    cast(sum(gathered.interactions_n) as bigint) as interactions_n,
    max(gathered.last_interaction_date) as last_interaction_date,
    cast(sum(gathered.cost_to_serve_amount) as decimal(38, 4)) as cost_to_serve_amount
    {{ combine('interactions') }}
from {{ ref('int_identity_interactions') }} as gathered
left join {{ ref('stg_night__customer_map') }} as map
    on gathered.identity_id = map.identity_id
group by coalesce(map.customer_key, gathered.identity_id)
