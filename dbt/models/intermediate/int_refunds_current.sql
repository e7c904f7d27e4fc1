with ranked as (
    select
        refunds.*,
        {{ newest_first(['source', 'refund_id']) }} as newness
    from {{ ref('stg_raw__refunds') }} as refunds
)

select
    source,
    refund_id,
    order_id,
    order_source,
    refunded_date,
    refund,
    currency,
    version_at,
    load_seq
from ranked
where newness = 1
