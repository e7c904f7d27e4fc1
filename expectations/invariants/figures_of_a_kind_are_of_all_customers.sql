/*
table: crm.population_figures
severity: error
says: kinds of segment whose customers are not all customers
why: The same total by each path, or a customer stands in two segments or in none.
action: Look at SEGMENT_KINDS in scoring/population_queries.py; a label may be NULL or a join lose customers.
shown: [segment_kind]
*/
with kinds as (
    select segment_kind, sum(value) as customers_n, sum(n) as counted_n
    from crm.population_figures
    where figure = 'customers'
    group by segment_kind
),

whole as (
    select count(*) as customers_n
    from crm.customers
)

select kinds.segment_kind, kinds.customers_n as segments_n, whole.customers_n
from kinds
cross join whole
where kinds.customers_n is distinct from whole.customers_n
    or kinds.counted_n is distinct from whole.customers_n
