/*
table: crm.campaigns
severity: error
says: sources whose campaigns do not have the rows of the law of rows
why: A row that counts as current and stands in no campaign is lost.
action: Compare int_campaign_rows with the loads of the source.
shown: [source, current_n, rows_n]
*/
with counted as (
    select source, sum(rows_n) as rows_n from crm.campaigns group by source
),

reconciled as (
    select source, current as current_n
    from crm.reconciliation
    where kind = 'campaigns' and measure = 'rows'
)

select
    coalesce(reconciled.source, counted.source) as source,
    reconciled.current_n,
    counted.rows_n
from reconciled
full outer join counted on reconciled.source = counted.source
where coalesce(reconciled.current_n, 0) <> coalesce(counted.rows_n, 0)
