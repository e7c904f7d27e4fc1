/*
table: night.customer_score_history
severity: error
says: customers who lack data by one of plain and held label alone
why: Nothing is held without a composite, so entering or leaving insufficient_data counts at once.
action: Stage the candidate anew from the last publication; look at scoring/held_labels.py.
shown: [tier, tier_held, quadrant, quadrant_held]
*/
select customer_key, tier, tier_held, quadrant, quadrant_held
from night.customer_score_history
where (tier = 'insufficient_data') <> (tier_held = 'insufficient_data')
    or (quadrant = 'insufficient_data') <> (quadrant_held = 'insufficient_data')
