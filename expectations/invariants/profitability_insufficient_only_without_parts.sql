/*
table: crm.customer_profitability
severity: error
says: customers are insufficient_data with, or in a quadrant without, contribution and loyalty axis
why: insufficient_data means that one of the two is not known, and nothing else.
action: Look at the profitability quadrants in segments/labels.py.
shown: [profitability_quadrant]
*/
select profitability.customer_key, profitability.profitability_quadrant
from crm.customer_profitability as profitability
inner join crm.customer_scores as scores
    on profitability.customer_key = scores.customer_key
where (profitability.profitability_quadrant = 'insufficient_data')
    <> (profitability.contribution_amount is null or scores.matrix_loyalty_score is null)
