select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    refund_id,
    order_id,
    order_source,
    {{ business_date('refunded_at') }} as refunded_date,
    refund,
    currency
from {{ source('raw', 'raw_refunds') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
