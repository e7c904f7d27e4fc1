/*
table: crm.segment_kpis
severity: error
says: kinds of segment whose customers are not all customers
why: The same total by each path, or one of the paths is wrong.
action: Make segment_kpis anew from customer_scores.
shown: [segment_kind]
*/
with kinds as (
    select 'all' as segment_kind
    union all
    select 'quadrant' as segment_kind
    union all
    select 'tier' as segment_kind
    union all
    select 'lifecycle_stage' as segment_kind
),

totals as (
    select segment_kind, sum(customers_n) as customers_n
    from crm.segment_kpis
    group by segment_kind
),

whole as (
    select count(*) as customers_n
    from crm.customers
)

select kinds.segment_kind, totals.customers_n as segments_n, whole.customers_n
from kinds
left join totals on kinds.segment_kind = totals.segment_kind
cross join whole
where totals.customers_n is null or totals.customers_n <> whole.customers_n
