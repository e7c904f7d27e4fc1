/*
table: night.score_changes
severity: error
says: changes whose parts are not the whole, or that have parts and a reason for none
why: A difference that is explained only in part is explained wrongly.
action: Stage the candidate anew from one night's build; look at engine/score_changes.py.
shown: [change_kind, split_status]
*/
select
    changes.customer_key,
    changes.change_kind,
    changes.split_status,
    changes.crm_value_change
from night.score_changes as changes
where changes.crm_value_change is distinct from changes.new_crm_value - changes.old_crm_value
    or (changes.split_status = 'no_value') <> (changes.crm_value_change is null)
    or (changes.split_status = 'split') <> (
        changes.correction_change + changes.identity_change + changes.time_change
        + changes.behaviour_change + changes.reference_change + changes.configuration_change
        + changes.method_change is not null
    )
    or changes.correction_change + changes.identity_change + changes.time_change
    + changes.behaviour_change + changes.reference_change + changes.configuration_change
    + changes.method_change <> changes.crm_value_change
    or (changes.split_status <> 'split' and coalesce(
        changes.correction_change, changes.identity_change, changes.time_change,
        changes.behaviour_change, changes.reference_change, changes.configuration_change,
        changes.method_change
    ) is not null)
