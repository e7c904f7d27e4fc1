/*
table: crm.reconciliation
severity: error
says: sources whose rows read are not loaded + repeated + rejected
why: Rows that are neither counted nor named are lost; nobody would miss them.
action: >-
  Compare load_ledger and rejected_rows of that source; rebuild raw from the landing files if a
  load is broken.
shown: [source, measure]
*/
select source, measure, read, loaded, repeated, rejected
from crm.reconciliation
where measure = 'rows' and read is distinct from loaded + repeated + rejected
