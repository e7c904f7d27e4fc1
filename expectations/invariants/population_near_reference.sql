/*
table: crm.reference_drift
severity: warning
says: indicators whose population has moved far from that of the reference
why: >-
  Scores rank customers among those that the reference was fitted on; when these have become
  others, 50 is no longer the middle, and tiers and quadrants are no longer the shares they were
  cut for.
action: >-
  Look at reference_drift: a window that is still filling, or a source that was delivered only in
  part, comes before a change of the customers. Then fit a new reference: crm-value recalibrate.
shown: [indicator, profile, psi]
*/
select drift.indicator, drift.profile, drift.psi
from crm.reference_drift as drift
cross join night.bounds as bounds
where drift.status in ('stable', 'shifted', 'drifted') and drift.psi >= bounds.population_drift
