/*
table: night.customer_score_history
severity: error
says: customers of tonight are missing from history, or stand there with other labels
why: Tomorrow's changes are measured against history.
action: Stage the candidate anew from one night's build.
shown: [tier, history_tier, quadrant, history_quadrant]
*/
-- Only when tonight's publication is the current one: an older date has no current tables.
select
    coalesce(scores.customer_key, history.customer_key) as customer_key,
    scores.tier,
    history.tier as history_tier,
    scores.quadrant,
    history.quadrant as history_quadrant
from crm.customer_scores as scores
full outer join night.customer_score_history as history
    on scores.customer_key = history.customer_key
cross join night.publication as publication
where publication.is_current
    and (
        scores.customer_key is null
        or history.customer_key is null
        or scores.tier <> history.tier
        or scores.quadrant <> history.quadrant
        or scores.lifecycle_stage <> history.lifecycle_stage
        or scores.tier_held <> history.tier_held
        or scores.quadrant_held <> history.quadrant_held
        or scores.lifecycle_stage_held <> history.lifecycle_stage_held
        or (scores.crm_value is null) <> (history.crm_value is null)
        or abs(scores.crm_value - history.crm_value) > 0.0051
    )
