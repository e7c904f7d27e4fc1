/*
table: crm.customer_scores
severity: error
says: customers have a quadrant without both axes, or both axes without a quadrant
why: insufficient_data means exactly that an axis of the matrix is missing.
action: Look at the labels of the customer in the example.
shown: [quadrant]
*/
select customer_key, matrix_value_score, matrix_loyalty_score, quadrant
from crm.customer_scores
where (matrix_value_score is null or matrix_loyalty_score is null)
    <> (quadrant = 'insufficient_data')
