/*
table: crm.score_backtest
severity: error
says: parts of the score backtest that do not add up to all
why: Each customer has one tier of then; who is missing from the parts makes them look better.
action: Look at the parts in feedback/backtest.py.
shown: [figure, all_n, parts_n]
*/
select
    all_of.figure,
    all_of.n as all_n,
    sum(parts.n) as parts_n
from crm.score_backtest as all_of
inner join crm.score_backtest as parts
    on all_of.figure = parts.figure and parts.part_kind = 'tier'
where all_of.part_kind = 'all'
group by all_of.figure, all_of.n
having sum(parts.n) <> all_of.n
