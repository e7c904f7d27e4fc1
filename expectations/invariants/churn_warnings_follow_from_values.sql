/*
table: crm.churn_warnings
severity: error
says: >-
  warnings of customers who are not of high value or have other figures elsewhere, or whose rank
  does not follow from the expected loss
why: Whoever rings up a customer must find the same reasons in the customer's own row.
action: Make churn_warnings anew from customer_lifetime_values and customer_scores.
shown: [quadrant, reasons]
*/
with ranked as (
    select
        warnings.*,
        row_number() over (
            order by expected_loss_amount desc nulls last, rank asc nulls last) as position_no
    from crm.churn_warnings as warnings
)

select ranked.customer_key, ranked.rank, ranked.quadrant, ranked.reasons
from ranked
left join crm.customer_scores as scores on ranked.customer_key = scores.customer_key
left join crm.customer_lifetime_values as expected
    on ranked.customer_key = expected.customer_key
where
    ranked.rank <> ranked.position_no
    or ranked.reasons = ''
    or ranked.quadrant not like 'high_value%'
    or ranked.quadrant is distinct from scores.quadrant
    or ranked.p_alive is distinct from expected.p_alive
    or ranked.margin_if_alive_amount is distinct from expected.margin_if_alive_amount
    or abs((1 - ranked.p_alive) * cast(ranked.margin_if_alive_amount as double)
        - cast(ranked.expected_loss_amount as double)) > 0.001
