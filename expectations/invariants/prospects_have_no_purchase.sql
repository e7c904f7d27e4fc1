/*
table: crm.customer_scores
severity: error
says: customers are prospects with purchases, or more than prospects without
why: >-
  A prospect is exactly a customer without a purchase; at most, whoever has nothing but orders
  refunded in full may still be a first purchase that has gone silent or not.
action: Look at the lifecycle stage of the customer in the example.
shown: [lifecycle_stage]
*/
select scores.customer_key, scores.lifecycle_stage, customers.purchases_n
from crm.customer_scores as scores
inner join crm.customers as customers on scores.customer_key = customers.customer_key
where (scores.lifecycle_stage = 'prospect' and customers.purchases_n > 0)
    or (
        scores.lifecycle_stage <> 'prospect' and customers.purchases_n = 0
        and (customers.refunded_orders_n = 0 or scores.lifecycle_stage in ('repeat', 'loyal'))
    )
