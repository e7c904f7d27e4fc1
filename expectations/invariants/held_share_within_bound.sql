/*
table: crm.reconciliation
severity: error
says: sources with too large a share of held rows
why: >-
  Held rows wait for something, for example a rate; while many wait, every total is too small.
action: >-
  See them, and what to do about each reason, with crm-value rejected; crm-value check says
  beforehand what would be held. Once what is missing has come, they are released by themselves.
shown: [source]
*/
select reconciliation.source, reconciliation.held, reconciliation.current
from crm.reconciliation as reconciliation
cross join night.bounds as bounds
where reconciliation.measure = 'rows'
    and reconciliation.held > bounds.held_share * reconciliation.current
