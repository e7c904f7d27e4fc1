/*
table: night.customer_score_history
severity: error
says: customers who were not there the night before and have a held label that is not the plain one
why: A held label goes on from an earlier one; at first sight there is none to hold.
action: Stage the candidate anew from the last publication; look at engine/held_labels.py.
shown: [tier, tier_held, quadrant, quadrant_held, lifecycle_stage, lifecycle_stage_held]
*/
-- Only where history still holds the night before.
with earlier as (
    select history.customer_key
    from crm.customer_score_history as history
    where history.publication_id = (
        select max(publication.publication_id)
        from crm.publication as publication
        where publication.as_of_date = (
            select max(before.as_of_date)
            from crm.publication as before
            cross join night.publication as tonight
            where before.as_of_date < tonight.as_of_date
        )
    )
)

select
    history.customer_key,
    history.tier,
    history.tier_held,
    history.quadrant,
    history.quadrant_held,
    history.lifecycle_stage,
    history.lifecycle_stage_held
from night.customer_score_history as history
where exists (select 1 from earlier)
    and not exists (
        select 1
        from earlier
        where earlier.customer_key = history.customer_key
    )
    and (
        history.tier <> history.tier_held
        or history.quadrant <> history.quadrant_held
        or history.lifecycle_stage <> history.lifecycle_stage_held
    )
