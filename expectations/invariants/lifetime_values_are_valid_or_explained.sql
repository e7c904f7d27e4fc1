/*
table: crm.customer_lifetime_values
severity: error
says: >-
  customers with an expectation below zero, one that is missing without a reason, or an expected
  margin that is not p_alive of the margin if alive
why: >-
  A negative or missing expectation lowers sums in silence; a model that failed must say so.
action: Look at the lifetime rows of the night's reference in scoring_reference.
shown: [method, reasons]
*/
select customer_key, method, reasons, p_alive, expected_purchases, expected_margin_amount
from crm.customer_lifetime_values
where
    least(expected_purchases, expected_margin_per_purchase_amount, margin_if_alive_amount,
        expected_margin_amount) < 0
    or (method = 'historic') <> (expected_purchases is null)
    or (reasons is null and (p_alive is null or expected_margin_amount is null
        or typical_gap_days is null))
    or abs(p_alive * cast(margin_if_alive_amount as double)
        - cast(expected_margin_amount as double))
    > 0.01 + 0.000001 * cast(margin_if_alive_amount as double)
