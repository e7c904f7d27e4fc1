/*
table: crm.customer_ids
severity: error
says: ids lead to more than one customer
why: One id of one id space is one customer.
action: Look at the customer_map of the night.
shown: [id_space]
*/
select id_space, source_customer_id, count(*) as customers_n
from crm.customer_ids
group by id_space, source_customer_id
having count(*) > 1
