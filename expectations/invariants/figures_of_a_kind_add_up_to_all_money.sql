/*
table: crm.population_figures
severity: error
says: kinds of segment whose revenue or margin is not that of all customers
why: The same money by each path, to the last digit.
action: Look at the queries in scoring/population_queries.py.
shown: [segment_kind, figure]
*/
with kinds as (
    select segment_kind, figure, sum(value) as amount
    from crm.population_figures
    where figure in ('net_revenue', 'margin')
    group by segment_kind, figure
)

select kinds.segment_kind, kinds.figure, kinds.amount, whole.amount as whole_amount
from kinds
inner join kinds as whole on kinds.figure = whole.figure and whole.segment_kind = 'all'
where kinds.amount is distinct from whole.amount
