/*
table: crm.account_scores
severity: error
says: accounts whose customers or revenue are not those of the customers that name them
why: The same people and money by each path, to the last digit.
action: Look at the roll-up in scoring/accounts.py.
shown: [account_id]
*/
with members as (
    select
        account_id,
        count(*) as customers_n,
        sum(net_revenue_amount) as net_revenue_amount
    from crm.customers
    where account_id is not null
    group by account_id
)

select
    coalesce(accounts.account_id, members.account_id) as account_id,
    accounts.customers_n,
    members.customers_n as members_n,
    accounts.net_revenue_amount,
    members.net_revenue_amount as members_amount
from crm.account_scores as accounts
full outer join members
    on accounts.account_id = members.account_id
where
    accounts.customers_n is distinct from members.customers_n
    or accounts.net_revenue_amount is distinct from members.net_revenue_amount
