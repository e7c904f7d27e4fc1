-- Rows and money of refunds exports by what became of them, counted in three different places.
with versions as (
    select
        source,
        currency,
        refund,
        {{ newest_first(['source', 'refund_id']) }} as newness
    from {{ ref('stg_raw__refunds') }}
),

judged as (
    select
        refunds.source,
        case
            when refunds.event_date > inputs.as_of_date then 'after_date'
            when refunds.excluded_reason is not null then 'excluded'
            when excluded.identity_id is not null then 'excluded'
            when refunds.held_reason is not null then 'held'
            when refunds.identity_id is null then 'unattributed'
            else 'counted'
        end as state,
        refunds.currency,
        refunds.refund_amount_original
    from {{ ref('refund_facts') }} as refunds
    cross join {{ ref('stg_night__inputs') }} as inputs
    left join {{ ref('int_excluded_identities') }} as excluded
        on refunds.identity_id = excluded.identity_id
)

select
    source,
    'loaded' as state,
    currency,
    count(*) as rows_n,
    sum(refund) as amount
from {{ ref('stg_raw__refunds') }}
group by source, currency
union all
select
    source,
    'superseded' as state,
    currency,
    count(*) as rows_n,
    sum(refund) as amount
from versions
where newness > 1
group by source, currency
union all
select
    source,
    state,
    currency,
    count(*) as rows_n,
    sum(refund_amount_original) as amount
from judged
group by source, state, currency
