/*
table: crm.contribution_curve
severity: error
says: ends of the curve that are not all ranked customers with all they contribute
why: The parts of the curve add up to the contributions of the customers, to the last digit.
action: Make contribution_curve anew from customer_profitability.
shown: [percent_of_customers]
*/
with whole as (
    select count(*) as customers_n, sum(contribution_amount) as contribution_amount
    from crm.customer_profitability
    where contribution_rank is not null
),

curve_end as (
    select max(percent_of_customers) as percent_of_customers, max(customers_n) as customers_n
    from crm.contribution_curve
)

select
    coalesce(curve_end.percent_of_customers, 0) as percent_of_customers,
    whole.customers_n,
    whole.contribution_amount,
    curve.contribution_amount as curve_amount
from whole
cross join curve_end
left join crm.contribution_curve as curve
    on curve_end.percent_of_customers = curve.percent_of_customers
where whole.customers_n <> coalesce(curve_end.customers_n, 0)
    or (whole.customers_n > 0 and curve_end.percent_of_customers <> 100)
    or whole.contribution_amount is distinct from curve.contribution_amount
