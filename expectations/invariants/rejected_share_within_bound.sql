/*
table: night.load_ledger
severity: error
says: sources with too large a share of rejected rows tonight
why: A few bad rows are set aside; many mean that the file has another layout.
action: >-
  Read the reasons in rejected_rows, correct sources.yaml or ask for a corrected file; if the
  rows really are bad, raise the bound or waive.
shown: [source]
*/
with by_source as (
    select source, sum(rows_rejected_n) as rejected_n, sum(rows_read_n) as read_n
    from night.load_ledger
    group by source
)

select by_source.source, by_source.rejected_n, by_source.read_n
from by_source
cross join night.bounds as bounds
where by_source.rejected_n > bounds.rejected_share * by_source.read_n
