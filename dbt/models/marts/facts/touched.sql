{{ config(materialized='view') }}

-- A load touches the dates of every version of its documents that was known by then: a
-- correction moves money away from the old date and to the new one.
with order_dates as (
    select
        source,
        order_id,
        load_seq,
        identity_id,
        ordered_date as business_date
    from {{ ref('stg_raw__order_lines') }}
    union all
    select
        source,
        order_id,
        load_seq,
        identity_id,
        refunded_date as business_date
    from {{ ref('stg_raw__order_lines') }}
    where refunded_date is not null
    union all
    select
        source,
        order_id,
        load_seq,
        identity_id,
        cancelled_date as business_date
    from {{ ref('stg_raw__order_lines') }}
    where cancelled_date is not null
    union all
    select
        source,
        order_id,
        load_seq,
        identity_id,
        version_date as business_date
    from {{ ref('stg_raw__order_lines') }}
    where
        version_date is not null
        and (status in ('cancelled', 'refunded') or refund <> 0)
),

-- A refund touches its order's customer on its own date as soon as both are known, and again
-- with every delivery of an order of that number: it may have found its order, or lost it.
refunds as (
    select
        newer.load_seq,
        older.order_id,
        older.refunded_date
    from {{ ref('stg_raw__refunds') }} as newer
    inner join {{ ref('stg_raw__refunds') }} as older
        on
            newer.source = older.source
            and newer.refund_id = older.refund_id
            and newer.load_seq >= older.load_seq
),

refunded_orders as (
    select distinct
        order_id,
        identity_id,
        ordered_date
    from {{ ref('stg_raw__order_lines') }}
    where identity_id is not null
),

order_loads as (
    select distinct
        order_id,
        load_seq
    from {{ ref('stg_raw__order_lines') }}
),

documents as (
    select distinct
        source,
        order_id,
        load_seq
    from {{ ref('stg_raw__order_lines') }}
),

interactions as (
    select
        source,
        interaction_id,
        load_seq,
        identity_id,
        business_date
    from {{ ref('stg_raw__interactions') }}
),

answers as (
    select
        source,
        response_id,
        instrument,
        load_seq,
        identity_id,
        responded_date as business_date
    from {{ ref('stg_raw__survey_answers') }}
)

select
    documents.load_seq,
    order_dates.identity_id,
    order_dates.business_date
from documents
inner join order_dates
    on
        documents.source = order_dates.source
        and documents.order_id = order_dates.order_id
        and documents.load_seq >= order_dates.load_seq
where order_dates.identity_id is not null
union distinct
select
    newer.load_seq,
    older.identity_id,
    older.business_date
from interactions as newer
inner join interactions as older
    on
        newer.source = older.source
        and newer.interaction_id = older.interaction_id
        and newer.load_seq >= older.load_seq
where older.identity_id is not null
union distinct
select
    newer.load_seq,
    older.identity_id,
    older.business_date
from answers as newer
inner join answers as older
    on
        newer.source = older.source
        and newer.response_id = older.response_id
        and newer.instrument = older.instrument
        and newer.load_seq >= older.load_seq
where older.identity_id is not null
union distinct
select
    greatest(refunds.load_seq, order_loads.load_seq) as load_seq,
    refunded_orders.identity_id,
    greatest(refunds.refunded_date, refunded_orders.ordered_date) as business_date
from refunds
inner join order_loads
    on refunds.order_id = order_loads.order_id
inner join refunded_orders
    on refunds.order_id = refunded_orders.order_id
