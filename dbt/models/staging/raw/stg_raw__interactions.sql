select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    interaction_id,
    identity_id,
    occurred_at,
    {{ business_date('occurred_at') }} as business_date,
    type,
    channel,
    duration_seconds,
    completion,
    cost
from {{ source('raw', 'raw_interactions') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
