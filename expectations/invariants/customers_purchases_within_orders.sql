/*
table: crm.customers
severity: error
says: customers have more purchases than orders
why: A purchase is an order with a positive amount.
action: Look for a join that multiplies purchases in customer_features.
*/
select customer_key, purchases_n, orders_n
from crm.customers
where purchases_n > orders_n
