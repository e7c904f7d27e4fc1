select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    order_id,
    line_key,
    identity_id,
    case
        when identity_id = email_identity_id then 2
        when identity_id = phone_identity_id then 3
        else 1
    end as identity_rank,
    ordered_at,
    {{ business_date('ordered_at') }} as ordered_date,
    status,
    quantity,
    unit_price,
    discount,
    refund,
    {{ business_date('refunded_at') }} as refunded_date,
    {{ business_date('cancelled_at') }} as cancelled_date,
    {{ business_date('version_at') }} as version_date,
    shipping,
    coalesce(tax, 0) + coalesce(shipping_charged, 0) as charged,
    cost,
    currency,
    product_id,
    product_category,
    channel,
    tags
from {{ source('raw', 'raw_order_lines') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
