"""The floor: a hand-written script from the same exports to comparable scores.

No law, no versions, no vault, no gate, no history: what the engine needs if nobody has to trust
the result. Every other figure is told beside it, measured in the same run.

    python benchmarks/floor.py LANDING OUTPUT MEMORY_LIMIT THREADS
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

QUERIES = (
    """
    create table lines as
    select customer_id, order_id, ordered_at, status,
        quantity * unit_price - discount as sale, refund, cost
    from read_csv('{landing}/orders/*', union_by_name = true, ignore_errors = true,
        types = {'ordered_at': 'timestamp', 'quantity': 'decimal(9, 2)',
                 'unit_price': 'decimal(18, 4)', 'discount': 'decimal(18, 4)',
                 'refund': 'decimal(18, 4)', 'cost': 'decimal(18, 4)'})
    """,
    """
    create table touches as
    select customer_id, occurred_at, type, duration_seconds
    from read_csv('{landing}/interactions/*', union_by_name = true, ignore_errors = true,
        types = {'occurred_at': 'timestamp', 'duration_seconds': 'bigint'})
    """,
    """
    create table answers as
    select customer_id, instrument, (score - scale_min) / (scale_max - scale_min) * 100 as answer
    from read_csv('{landing}/surveys/*', union_by_name = true, ignore_errors = true,
        types = {'score': 'double', 'scale_min': 'double', 'scale_max': 'double'})
    """,
    """
    create table orders as
    select customer_id, order_id, min(ordered_at) as ordered_at, sum(sale - refund) as net,
        sum(sale - refund - cost) as margin
    from lines where status in ('completed', 'refunded') group by customer_id, order_id
    """,
    """
    create table features as
    with bought as (
        select customer_id, count(*) as orders_n, sum(net) as net, sum(margin) as margin,
            count(distinct date_trunc('month', ordered_at)) as months
        from orders group by customer_id
    ), touched as (
        select customer_id, sum(pow(0.5, date_diff('day', occurred_at, now()::timestamp) / 90.0))
            as touches, sum(duration_seconds) as seconds,
            count(*) filter (where type in ('review', 'share')) as content,
            count(*) filter (where type = 'complaint') as complaints
        from touches group by customer_id
    ), answered as (
        select customer_id,
            avg(answer) filter (where instrument = 'csat') as csat,
            avg(answer) filter (where instrument = 'nps') as nps
        from answers group by customer_id
    )
    select * from bought full join touched using (customer_id) full join answered
        using (customer_id)
    """,
    """
    create table scores as
    select *, percent_rank() over (order by net) * 40 + percent_rank() over (order by touches) * 20
        + coalesce(csat, 50) * 0.2 + percent_rank() over (order by orders_n) * 20 as crm_value,
        percent_rank() over (order by margin) as value_axis,
        percent_rank() over (order by months) as loyalty_axis
    from features
    """,
)


def main() -> None:
    """Run the script once."""
    landing, output, memory, threads = sys.argv[1:5]
    Path(output).unlink(missing_ok=True)
    with duckdb.connect(output) as connection:
        connection.execute(f"set memory_limit = '{memory}'")
        connection.execute(f"set threads = {int(threads)}")
        for query in QUERIES:
            connection.execute(query.replace("{landing}", landing))
        row = connection.execute("select count(*) from scores").fetchone()
    sys.stdout.write(f"{row[0] if row else 0} customers\n")


if __name__ == "__main__":
    main()
