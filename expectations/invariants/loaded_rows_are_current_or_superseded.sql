/*
table: crm.reconciliation
severity: error
says: sources or currencies whose loaded is not current + superseded
why: Rows that are neither counted nor named are lost; nobody would miss them.
action: Look at the current versions of that source in the build.
shown: [source, measure, currency]
*/
select source, measure, currency, loaded, current, superseded
from crm.reconciliation
where loaded is distinct from current + superseded
