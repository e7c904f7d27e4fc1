/*
table: crm.customer_segments
severity: error
says: customers without exactly one row of segments and one of profitability, or the reverse
why: Segments part the customers only if each of them has exactly one row.
action: Look for a join that drops or multiplies customers in engine/segment_queries.py.
shown: [table_name]
*/
with keys as (
    select 'customer_segments' as table_name, customer_key from crm.customer_segments
    union all
    select 'customer_profitability' as table_name, customer_key from crm.customer_profitability
),

expected as (
    select names.table_name, customers.customer_key
    from crm.customers as customers
    cross join (
        select 'customer_segments' as table_name
        union all
        select 'customer_profitability' as table_name
    ) as names
),

counted as (
    select table_name, customer_key, count(*) as rows_n
    from keys
    group by table_name, customer_key
)

select
    coalesce(expected.customer_key, counted.customer_key) as customer_key,
    coalesce(expected.table_name, counted.table_name) as table_name,
    coalesce(counted.rows_n, 0) as rows_n
from expected
full outer join counted
    on expected.table_name = counted.table_name
    and expected.customer_key = counted.customer_key
where expected.customer_key is null or coalesce(counted.rows_n, 0) <> 1
