/*
table: crm.population_figures
severity: error
says: figures outside their interval or the range of their unit
why: Shares lie in 0-1, CES in 0-100, NPS in -100 to 100, and an estimate within its interval.
action: Look at the arithmetic of the figure in scoring/population.py.
shown: [segment_kind, figure]
*/
with ranged as (
    select
        segment_kind, figure, segment, value, low, high, standard_error,
        case when figure = 'nps' then -100 else 0 end as least,
        case when figure in ('nps', 'ces_mean') then 100 else 1 end as most
    from crm.population_figures
    where figure not in ('customers', 'net_revenue', 'margin') and value is not null
)

select segment_kind, figure, segment, value, low, high
from ranged
where low > value or value > high or low < least or high > most or standard_error < 0
