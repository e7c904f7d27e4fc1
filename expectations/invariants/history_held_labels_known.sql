/*
table: night.customer_score_history
severity: error
says: customers whose held labels are missing or no words of ours
why: Held labels partition the customers as the plain ones do; reports filter by these words.
action: Stage the candidate anew from the last publication; look at scoring/held_labels.py.
shown: [tier_held, quadrant_held, lifecycle_stage_held]
*/
select customer_key, tier_held, quadrant_held, lifecycle_stage_held
from night.customer_score_history
where coalesce(tier_held, '') not in ('high', 'medium', 'low', 'insufficient_data')
    or coalesce(quadrant_held, '') not in (
        'high_value_high_loyalty', 'high_value_low_loyalty', 'low_value_high_loyalty',
        'low_value_low_loyalty', 'insufficient_data'
    )
    or coalesce(lifecycle_stage_held, '') not in (
        'prospect', 'first_purchase', 'repeat', 'loyal', 'lapsing', 'lost'
    )
