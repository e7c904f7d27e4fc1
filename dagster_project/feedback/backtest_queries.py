"""What each customer who was scored then did since, for `backtest.py`.

Read from `night.scores_of_then` and the orders of tonight, as they are known tonight.
"""

from __future__ import annotations


def followed_query() -> str:
    """One row a customer scored then; takes the date of the scores, NULL where there are none."""
    return """
        with since as (
            select customer_key, count(case when is_purchase then 1 end) as purchases_n,
                count(case when is_purchase and margin_amount is null then 1 end) as unknown_n,
                sum(margin_amount) as margin_amount
            from intermediate.int_order_margins
            where ordered_date > ?
            group by customer_key
        )
        select then_scored.customer_key is not null as is_followed,
            coalesce(then_scored.profile, '') as profile,
            cast(then_scored.crm_value as double) as crm_value,
            cast(then_scored.p_alive as double) as p_alive, then_scored.tier,
            cast(then_scored.purchases_n as double) as purchases_then,
            cast(coalesce(since.purchases_n, 0) as double) as purchases_since,
            case when coalesce(since.unknown_n, 0) = 0
                then cast(coalesce(since.margin_amount, 0) as double) end as margin_since
        from night.scores_of_then as then_scored
        left join since on then_scored.customer_key = since.customer_key
    """
