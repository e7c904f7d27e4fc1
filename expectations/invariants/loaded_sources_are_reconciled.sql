/*
table: crm.reconciliation
severity: error
says: sources with loads tonight and no line in reconciliation
why: A law that leaves a source out holds for it whatever it lost.
action: >-
  Look at the reconciliation model: a kind of export is missing there.
shown: [source, kind]
*/
select distinct ledger.source, ledger.kind
from night.load_ledger as ledger
left join crm.reconciliation as reconciliation
    on ledger.source = reconciliation.source and reconciliation.measure = 'rows'
cross join night.publication as publication
where ledger.kind in ('orders', 'refunds', 'interactions', 'surveys', 'customers')
    and publication.is_current
    and reconciliation.source is null
