/*
table: crm.customer_lifetime_values
severity: error
says: customers bought and have no lifetime value, have one and never bought, or have several
why: A buyer who is missing is missing from every sum of expected margin.
action: Compare marts.customer_purchase_summaries with marts.customer_features.
*/
with buyers as (
    select customer_key, 1 as expected_n
    from crm.customers
    where purchases_n > 0
),

valued as (
    select customer_key, count(*) as values_n
    from crm.customer_lifetime_values
    group by customer_key
)

select coalesce(buyers.customer_key, valued.customer_key) as customer_key, valued.values_n
from buyers
full outer join valued on buyers.customer_key = valued.customer_key
where coalesce(buyers.expected_n, 0) <> coalesce(valued.values_n, 0)
