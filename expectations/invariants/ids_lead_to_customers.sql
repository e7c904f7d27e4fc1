/*
table: crm.customer_ids
severity: error
says: ids lead to no customer
why: >-
  customer_ids is the way back to the shop; an id that leads nowhere is a customer who was lost.
action: Look at the customer_map of the night.
shown: [id_space]
*/
select ids.customer_key, ids.id_space, ids.source_customer_id
from crm.customer_ids as ids
left join crm.customers as customers on ids.customer_key = customers.customer_key
where customers.customer_key is null
