/*
table: night.score_changes
severity: error
says: customers who differ from the current tables before, and of whom no change tells
why: Whoever asks what changed must hear of all, also of those who came and went.
action: Stage the candidate anew from the last publication; look at engine/score_changes.py.
shown: [tier, history_tier]
*/
-- History has the scores of before with two decimals. A key that changed may go on with the same
-- scores under another.
with before as (
    select publication.publication_id
    from crm.publication as publication
    inner join night.publication as tonight
        on publication.publication_id < tonight.publication_id
    where tonight.is_current
    order by publication.as_of_date desc, publication.publication_id desc
    limit 1
),

history as (
    select
        history.customer_key,
        history.crm_value,
        history.tier,
        history.quadrant,
        history.lifecycle_stage
    from crm.customer_score_history as history
    inner join before on history.publication_id = before.publication_id
),

changed_keys as (
    select changes.old_customer_key as customer_key
    from crm.customer_key_changes as changes
    inner join night.publication as tonight on changes.publication_id = tonight.publication_id
    union all
    select changes.new_customer_key as customer_key
    from crm.customer_key_changes as changes
    inner join night.publication as tonight on changes.publication_id = tonight.publication_id
)

select
    coalesce(scores.customer_key, history.customer_key) as customer_key,
    scores.tier,
    history.tier as history_tier
from crm.customer_scores as scores
full outer join history on scores.customer_key = history.customer_key
where exists (select 1 from history)
    and coalesce(scores.customer_key, history.customer_key) not in (
        select changes.customer_key from night.score_changes as changes
    )
    and (
        cast(scores.crm_value as decimal(5, 2)) is distinct from history.crm_value
        or scores.tier is distinct from history.tier
        or scores.quadrant is distinct from history.quadrant
        or scores.lifecycle_stage is distinct from history.lifecycle_stage
    )
    and (
        (scores.customer_key is not null and history.customer_key is not null)
        or coalesce(scores.customer_key, history.customer_key) not in (
            select changed_keys.customer_key from changed_keys
        )
    )
