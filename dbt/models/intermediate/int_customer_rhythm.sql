-- The median is taken by rank: exact, and the same on every engine.
with gaps as (
    select
        customer_key,
        {{ days_between('previous_date', 'purchase_date') }} as gap_days
    from {{ ref('int_customer_purchase_days') }}
    where previous_date is not null
),

ranked as (
    select
        customer_key,
        gap_days,
        row_number() over (
            partition by customer_key order by gap_days asc nulls last
        ) as gap_no,
        count(*) over (partition by customer_key) as gaps_n
    from gaps
),

medians as (
    select
        customer_key,
        cast(cast(sum(gap_days) as double) / count(*) as decimal(9, 1)) as median_gap_days
    from ranked
    where {{ whole_product(2, 'gap_no') }} in (gaps_n, gaps_n + 1, gaps_n + 2)
    group by customer_key
),

days as (
    select
        customer_key,
        cast(count(*) as integer) as purchase_days_n
        {{ accumulate('purchase_days') }}
    from {{ ref('int_customer_purchase_days') }}
    group by customer_key
)

select
    days.*,
    medians.median_gap_days
from days
left join medians
    on days.customer_key = medians.customer_key
