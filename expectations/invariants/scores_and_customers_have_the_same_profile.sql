/*
table: crm.customer_scores
severity: error
says: customers have one profile in customers and another in customer_scores
why: The profile says which weights and curves a score was made with.
action: Score the night anew from the same features.
shown: [profile_in_customers, profile_in_scores]
*/
select
    customers.customer_key,
    customers.profile as profile_in_customers,
    scores.profile as profile_in_scores
from crm.customers as customers
inner join crm.customer_scores as scores on customers.customer_key = scores.customer_key
where customers.profile <> scores.profile
