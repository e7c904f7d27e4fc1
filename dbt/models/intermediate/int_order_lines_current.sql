{{ config(materialized='view') }}

with uncontested as (
    select lines.*
    from {{ ref('stg_raw__order_lines') }} as lines
    where not exists (
        select 1
        from {{ ref('int_contested_order_lines') }} as contested
        where
            contested.document_print
            = {{ print_of(['lines.source', 'lines.order_id']) }}
    )
),

columns_needed as (
    select
        source,
        order_id,
        line_key,
        load_seq,
        version_at,
        version_date,
        identity_id,
        identity_rank,
        ordered_at,
        ordered_date,
        status,
        quantity,
        unit_price,
        discount,
        refund,
        refunded_date,
        cancelled_date,
        shipping,
        charged,
        cost,
        currency,
        product_id,
        product_category,
        channel,
        tags,
        false as is_contested
    from uncontested
    union all
    select
        source,
        order_id,
        line_key,
        load_seq,
        version_at,
        version_date,
        identity_id,
        identity_rank,
        ordered_at,
        ordered_date,
        status,
        quantity,
        unit_price,
        discount,
        refund,
        refunded_date,
        cancelled_date,
        shipping,
        charged,
        cost,
        currency,
        product_id,
        product_category,
        channel,
        tags,
        true as is_contested
    from {{ ref('int_resolved_order_lines') }}
)

select *
from columns_needed
