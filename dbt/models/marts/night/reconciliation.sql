with deliveries as (
    select
        source,
        kind,
        rows_read_n,
        rows_repeated_n,
        rows_rejected_n
    from {{ ref('stg_raw__load_ledger') }}
    union all
    select
        files.source,
        loads.kind,
        files.rows_read_n,
        files.rows_read_n as rows_repeated_n,
        0 as rows_rejected_n
    from {{ ref('stg_raw__repeated_files') }} as files
    inner join {{ ref('stg_raw__load_ledger') }} as loads
        on files.load_seq = loads.load_seq
),

found as (
    select
        source,
        kind,
        'rows' as measure,
        '' as currency,
        'read' as state,
        rows_read_n as amount
    from deliveries
    union all
    select
        source,
        kind,
        'rows' as measure,
        '' as currency,
        'repeated' as state,
        rows_repeated_n as amount
    from deliveries
    union all
    select
        source,
        kind,
        'rows' as measure,
        '' as currency,
        'rejected' as state,
        rows_rejected_n as amount
    from deliveries
    union all
    select
        source,
        kind,
        'rows' as measure,
        '' as currency,
        state,
        rows_n as amount
    from {{ ref('int_reconciled_rows') }}
    union all
    select
        source,
        'orders' as kind,
        'rows' as measure,
        '' as currency,
        state,
        lines_n as amount
    from {{ ref('int_reconciled_orders') }}
    union all
    select
        source,
        'orders' as kind,
        'amount' as measure,
        currency,
        state,
        amount
    from {{ ref('int_reconciled_orders') }}
    union all
    select
        source,
        'refunds' as kind,
        'rows' as measure,
        '' as currency,
        state,
        rows_n as amount
    from {{ ref('int_reconciled_refunds') }}
    union all
    select
        source,
        'refunds' as kind,
        'amount' as measure,
        currency,
        state,
        amount
    from {{ ref('int_reconciled_refunds') }}
)

select
    source,
    kind,
    measure,
    currency,
    {%- for state in ['read', 'repeated', 'rejected'] %}
        cast(
            case
                when measure = 'rows'
                    then sum(case when state = '{{ state }}' then amount else 0 end)
            end as decimal(38, 4)
        ) as {{ state }},
    {%- endfor %}
    {%- for state in ['loaded', 'superseded'] %}
        cast(sum(case when state = '{{ state }}' then amount else 0 end) as decimal(38, 4))
            as {{ state }},
    {%- endfor %}
    {%- for state in ['counted', 'unattributed', 'excluded', 'held', 'after_date'] %}
        cast(sum(case when state = '{{ state }}' then amount else 0 end) as decimal(38, 4))
            as {{ state }},
    {%- endfor %}
    cast(
        sum(
            case
                when state in ('counted', 'unattributed', 'excluded', 'held', 'after_date')
                    then amount
                else 0
            end
        ) as decimal(38, 4)
    ) as current
from found
group by source, kind, measure, currency
