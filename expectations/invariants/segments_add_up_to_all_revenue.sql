/*
table: crm.segment_kpis
severity: error
says: kinds of segment whose revenue is not that of all customers
why: The same money by each path, to the last digit.
action: Make segment_kpis anew; look for a join that multiplies customers.
shown: [segment_kind]
*/
with totals as (
    select segment_kind, sum(net_revenue_amount) as net_revenue_amount
    from crm.segment_kpis
    group by segment_kind
),

whole as (
    select sum(net_revenue_amount) as net_revenue_amount
    from crm.customers
)

select totals.segment_kind, totals.net_revenue_amount as segments_amount, whole.net_revenue_amount
from totals
cross join whole
where totals.net_revenue_amount is distinct from whole.net_revenue_amount
