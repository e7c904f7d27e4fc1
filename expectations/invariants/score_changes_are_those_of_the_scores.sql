/*
table: night.score_changes
severity: error
says: changes of customers who did not change, or to other scores than are published
why: What is told of a change must be true of the scores beside it.
action: Stage the candidate anew from one night's build; look at engine/score_changes.py.
shown: [change_kind]
*/
-- A night that is not the current one replaces no tables and changes nobody.
select
    changes.customer_key,
    changes.change_kind,
    changes.new_tier,
    scores.tier
from night.score_changes as changes
cross join night.publication as publication
left join crm.customer_scores as scores on changes.customer_key = scores.customer_key
where not publication.is_current
    or (changes.change_kind in ('vanished', 'merged')) <> (scores.customer_key is null)
    or (changes.change_kind = 'appeared') <> (changes.compared_customer_key is null)
    or changes.new_crm_value is distinct from cast(scores.crm_value as decimal(7, 4))
    or changes.new_tier is distinct from scores.tier
    or changes.new_quadrant is distinct from scores.quadrant
    or changes.new_lifecycle_stage is distinct from scores.lifecycle_stage
    or (
        changes.new_crm_value is not distinct from changes.old_crm_value
        and changes.new_tier is not distinct from changes.old_tier
        and changes.new_quadrant is not distinct from changes.old_quadrant
        and changes.new_lifecycle_stage is not distinct from changes.old_lifecycle_stage
    )
