-- What the models of lifetime value read. A purchase day is a day with an order of which something
-- is left on D; its margin is known when that of each of its orders is.
with days as (
    select
        customer_key,
        ordered_date,
        sum(case when is_purchase then 1 else 0 end) as purchases_n,
        sum(case when is_purchase and margin_amount is null then 1 else 0 end) as unknown_n,
        sum(case when is_purchase then margin_amount end) as purchase_margin_amount,
        sum(margin_amount) as margin_amount
    from {{ ref('int_order_margins') }}
    group by customer_key, ordered_date
),

margins as (
    select
        customer_key,
        sum(case when purchases_n > 0 and unknown_n = 0 then 1 else 0 end)
            as margin_purchase_days_n,
        sum(case when purchases_n > 0 and unknown_n = 0 then purchase_margin_amount end)
            as purchase_margin_amount,
        sum(margin_amount) as historic_margin_amount
    from days
    group by customer_key
)

select
    features.customer_key,
    features.as_of_date,
    features.profile,
    features.purchase_days_n,
    features.last_purchase_date,
    cast(
        {{ days_between('features.first_purchase_date', 'features.last_purchase_date') }}
        as integer
    ) as recency_days,
    cast(
        {{ days_between('features.first_purchase_date', 'features.as_of_date') }} as integer
    ) as age_days,
    features.median_gap_days,
    cast(margins.margin_purchase_days_n as integer) as margin_purchase_days_n,
    cast(margins.purchase_margin_amount as decimal(38, 4)) as purchase_margin_amount,
    cast(margins.historic_margin_amount as decimal(38, 4)) as historic_margin_amount
from {{ ref('customer_features') }} as features
inner join margins
    on features.customer_key = margins.customer_key
where features.purchases_n > 0
