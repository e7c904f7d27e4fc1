with ranked as (
    select
        customer_key,
        product_category,
        net_revenue_amount,
        row_number() over (
            partition by customer_key
            order by net_revenue_amount desc nulls last, product_category asc nulls last
        ) as preference
    from {{ ref('int_customer_categories') }}
    where net_revenue_amount > 0
)

select
    features.customer_key,
    cast(coalesce(orders.segment_purchases_n, 0) as integer) as segment_purchases_n,
    cast(coalesce(orders.segment_net_revenue_amount, 0) as decimal(38, 4))
        as segment_net_revenue_amount,
    ranked.product_category as top_category,
    cast(ranked.net_revenue_amount as decimal(38, 4)) as top_category_amount
from {{ ref('customer_features') }} as features
left join {{ ref('int_customer_order_totals') }} as orders
    on features.customer_key = orders.customer_key
left join ranked
    on
        features.customer_key = ranked.customer_key
        and ranked.preference = 1
