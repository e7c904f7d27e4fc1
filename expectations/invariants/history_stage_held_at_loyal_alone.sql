/*
table: night.customer_score_history
severity: error
says: customers whose held stage differs from the plain one by more than being loyal
why: All other stages follow counts and days, which no margin holds.
action: Stage the candidate anew from the last publication; look at scoring/held_labels.py.
shown: [lifecycle_stage, lifecycle_stage_held]
*/
select customer_key, lifecycle_stage, lifecycle_stage_held
from night.customer_score_history
where lifecycle_stage <> lifecycle_stage_held
    and not (
        lifecycle_stage in ('loyal', 'repeat', 'first_purchase')
        and lifecycle_stage_held in ('loyal', 'repeat', 'first_purchase')
        and 'loyal' in (lifecycle_stage, lifecycle_stage_held)
    )
