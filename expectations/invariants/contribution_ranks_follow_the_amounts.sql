/*
table: crm.customer_profitability
severity: error
says: customers are ranked otherwise than by their contribution
why: The most profitable customers are chosen by this rank.
action: Look at the ranks in the model customer_profitability.
*/
with expected as (
    select
        customer_key,
        contribution_rank,
        contribution_status in ('known', 'partly_known') as is_ranked,
        rank() over (
            partition by contribution_status in ('known', 'partly_known')
            order by contribution_amount desc nulls last
        ) as expected_rank
    from crm.customer_profitability
)

select customer_key, contribution_rank, expected_rank
from expected
where contribution_rank is distinct from case when is_ranked then expected_rank end
