/*
table: crm.reconciliation
severity: error
says: >-
  sources or currencies whose current is not counted + unattributed + excluded + held +
  after_date
why: Money and rows that stand under no heading are missing from every total.
action: >-
  Look for a join that drops or multiplies rows between current versions and customer_features.
shown: [source, measure, currency]
*/
select source, measure, currency, current, counted, unattributed, excluded, held, after_date
from crm.reconciliation
where current is distinct from counted + unattributed + excluded + held + after_date
