with days as (
    select
        customer_key,
        ordered_date as purchase_date,
        cast(count(*) as integer) as purchases_n
    from {{ ref('customer_orders') }}
    where is_purchase
    group by customer_key, ordered_date
)

select
    customer_key,
    purchase_date,
    purchases_n,
    lag(purchase_date) over (
        partition by customer_key order by purchase_date asc nulls last
    ) as previous_date,
    min(purchase_date) over (partition by customer_key) as first_date
from days
