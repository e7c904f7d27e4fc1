/*
table: crm.label_history
severity: error
says: customers whose held label of tonight is not the one that label_history says they have now
why: Who asks since when a customer is in a tier must find the tier the customer is in.
action: Stage the candidate anew from the last publication; look at engine/label_records.py.
shown: [label_kind, label, held_label]
*/
-- Only when tonight's publication is the current one, and not made again on its own.
with held as (
    select customer_key, 'tier' as label_kind, tier_held as label
    from night.customer_score_history
    union all
    select customer_key, 'quadrant' as label_kind, quadrant_held as label
    from night.customer_score_history
    union all
    select customer_key, 'lifecycle_stage' as label_kind, lifecycle_stage_held as label
    from night.customer_score_history
),

open_spans as (
    select customer_key, label_kind, label
    from crm.label_history
    where to_date is null
)

select
    coalesce(held.customer_key, open_spans.customer_key) as customer_key,
    coalesce(held.label_kind, open_spans.label_kind) as label_kind,
    open_spans.label,
    held.label as held_label
from held
full outer join open_spans
    on held.customer_key = open_spans.customer_key
    and held.label_kind = open_spans.label_kind
cross join night.publication as publication
cross join night.expected as expected
where publication.is_current
    and not expected.is_replay
    and held.label is distinct from open_spans.label
