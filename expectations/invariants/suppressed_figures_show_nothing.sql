/*
table: crm.population_figures
severity: error
says: figures that are suppressed and show a value, or are not and show none
why: >-
  A figure of a handful of answers is taken for one of many as soon as it is seen; an estimate
  without its interval too.
action: Look at the statuses in scoring/population.py.
shown: [segment_kind, figure, status]
*/
select segment_kind, figure, status, segment, n, value, low, high
from crm.population_figures
where (status = 'suppressed') <> (value is null)
    or (value is null and (low is not null or high is not null or standard_error is not null))
    or (
        value is not null
        and figure not in ('customers', 'net_revenue', 'margin')
        and (low is null or high is null or standard_error is null)
    )
