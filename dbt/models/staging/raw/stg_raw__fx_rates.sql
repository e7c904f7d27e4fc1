select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    rate_date,
    currency,
    rate
from {{ source('raw', 'raw_fx_rates') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
