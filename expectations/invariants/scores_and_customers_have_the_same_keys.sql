/*
table: crm.customer_scores
severity: error
says: customers stand in only one of customers and customer_scores
why: A customer without scores, or scores without a customer, falls out of every join.
action: Look for a batch that was lost between customer_features and the candidate.
*/
select
    customers.customer_key as key_in_customers,
    scores.customer_key as key_in_scores
from crm.customers as customers
full outer join crm.customer_scores as scores on customers.customer_key = scores.customer_key
where customers.customer_key is null or scores.customer_key is null
