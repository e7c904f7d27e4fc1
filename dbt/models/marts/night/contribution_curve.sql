-- One row for each percent that the ranked customers reach: with fewer than a hundred of them, one
-- for each customer. The sum of the n largest contributions does not depend on how ties are broken.
with numbered as (
    select
        as_of_date,
        contribution_amount,
        row_number() over (
            order by contribution_amount desc nulls last, customer_key asc nulls last
        ) as row_no,
        count(*) over () as ranked_n,
        sum(contribution_amount) over () as total_amount
    from {{ ref('customer_profitability') }}
    where contribution_rank is not null
),

steps as (
    select
        as_of_date,
        {{ whole_quotient(whole_product(100, 'row_no') ~ ' + ranked_n - 1', 'ranked_n') }}
            as percent_of_customers,
        max(row_no) as customers_n,
        sum(contribution_amount) as amount,
        max(ranked_n) as ranked_n,
        max(total_amount) as total_amount
    from numbered
    group by
        as_of_date,
        {{ whole_quotient(whole_product(100, 'row_no') ~ ' + ranked_n - 1', 'ranked_n') }}
),

cumulated as (
    select
        steps.*,
        sum(amount) over (order by percent_of_customers asc nulls last) as cumulative_amount
    from steps
)

select
    as_of_date,
    cast(percent_of_customers as integer) as percent_of_customers,
    customers_n,
    cast(cumulative_amount as decimal(38, 4)) as contribution_amount,
    case
        when total_amount > 0
            then cast(cumulative_amount as double) / cast(total_amount as double)
    end as contribution_share
from cumulated
