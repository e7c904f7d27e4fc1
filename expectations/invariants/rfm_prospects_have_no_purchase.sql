/*
table: crm.customer_segments
severity: error
says: customers are prospects with purchases, or something else without
why: Whoever has bought has a cell of the RFM map, whoever has not has none.
action: Look at segments/labels.py.
shown: [rfm_segment]
*/
select segments.customer_key, segments.rfm_segment
from crm.customer_segments as segments
inner join crm.customers as customers on segments.customer_key = customers.customer_key
where (segments.rfm_segment = 'prospect') <> (customers.purchases_n = 0)
