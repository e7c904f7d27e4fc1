/*
table: crm.reconciliation
severity: error
says: sources with a heading of rows below nought
why: Two wrong headings can add up to the right sum.
action: Look at the reconciliation model of that source.
shown: [source, measure]
*/
select
    source, measure, loaded, superseded, current,
    counted, unattributed, excluded, held, after_date
from crm.reconciliation
where measure = 'rows'
    and (loaded < 0 or superseded < 0 or current < 0 or counted < 0 or unattributed < 0
        or excluded < 0 or held < 0 or after_date < 0)
