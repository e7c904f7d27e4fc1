/*
table: crm.customer_scores
severity: error
says: quadrants have customers and no strategy
why: A quadrant without traits and strategy tells nobody what to do.
action: Map the cell in the matrix of crm.yaml.
shown: [quadrant]
*/
select distinct scores.quadrant
from crm.customer_scores as scores
left join crm.strategies as strategies on scores.quadrant = strategies.quadrant
where strategies.quadrant is null and scores.quadrant <> 'insufficient_data'
