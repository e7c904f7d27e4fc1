/*
table: crm.customer_profitability
severity: error
says: customers whose amounts do not add up
why: >-
  Sales less what was taken off them are net revenue, and net revenue less all costs is the
  contribution, to the last digit; otherwise something is taken off twice or not at all.
action: Look at the model customer_profitability, and at the passes that gather its amounts.
*/
select customer_key, net_revenue_amount, contribution_amount
from crm.customer_profitability
where net_revenue_amount
    <> gross_sales_amount - discount_amount - refund_amount - returned_amount - cancelled_amount
    or contribution_amount
    <> net_revenue_amount - uncosted_revenue_amount - product_cost_amount - shipping_amount
    - cost_to_serve_amount
    or (contribution_amount is null) <> (contribution_status = 'cost_unknown')
