/*
table: crm.customer_scores
severity: error
says: customers have a tier without a CRM value, or a value without a tier
why: >-
  insufficient_data means exactly that there is no CRM value; a missing value is not a low one.
action: Look at the labels of the customer in the example.
shown: [tier]
*/
select customer_key, crm_value, tier
from crm.customer_scores
where (crm_value is null) <> (tier = 'insufficient_data')
