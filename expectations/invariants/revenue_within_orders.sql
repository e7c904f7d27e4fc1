/*
table: crm.customers
severity: error
says: totals of customers exceed the orders they come from
why: >-
  Customers cannot have bought for more than the counted orders; if they did, a join multiplied
  money.
action: >-
  Compare sum(net_revenue_amount + refund_amount) of customers with reconciliation, measure
  amount.
*/
-- Where all orders are in the base currency, sales less cancellations are at most what was
-- counted; the tolerance is the rounding of each line.
with orders as (
    select
        sum(case when reconciliation.measure = 'amount' then reconciliation.counted end) as counted,
        sum(case when reconciliation.measure = 'rows' then reconciliation.counted end) as lines_n,
        sum(
            case
                when reconciliation.measure = 'amount'
                    and reconciliation.currency <> publication.base_currency then 1
                else 0
            end
        ) as other_currencies_n
    from crm.reconciliation as reconciliation
    cross join crm.publication as publication
    where reconciliation.kind = 'orders' and publication.is_current
),

customers as (
    select sum(net_revenue_amount + refund_amount) as amount
    from crm.customers
)

select customers.amount as customers_amount, orders.counted as orders_amount
from orders
cross join customers
where orders.other_currencies_n = 0
    and customers.amount > orders.counted + 0.0001 * orders.lines_n
