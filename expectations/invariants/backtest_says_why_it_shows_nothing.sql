/*
table: crm.score_backtest
severity: error
says: figures of the score backtest with a value and no reason for it, or without both
why: A score that was never judged must not look as if it had failed, or passed.
action: Look at the statuses in feedback/backtest.py.
shown: [part_kind, part, figure, status]
*/
select part_kind, part, figure, status, scored_date, n, value, low, high
from crm.score_backtest
where (status in ('ok', 'few')) <> (value is not null)
    or (status = 'no_history') <> (scored_date is null)
    or scored_date >= as_of_date
    or value not between low and high
    or (figure = 'retention' and value not between 0 and 1)
    or (figure like 'rank_correlation%' and value not between -1 and 1)
