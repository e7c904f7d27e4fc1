select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    campaign_id,
    identity_id,
    group_name,
    {{ business_date('treated_at') }} as treated_date
from {{ source('raw', 'raw_campaigns') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
