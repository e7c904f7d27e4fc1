/*
table: crm.population_figures
severity: error
says: figures with a better status than one of as many or more customers has
why: What is too few in one segment is too few in every other.
action: Look at the statuses in scoring/population.py.
shown: [figure, status]
*/
with estimates as (
    select segment_kind, segment, figure, n, status,
        case status when 'suppressed' then 0 when 'few' then 1 else 2 end as grade
    from crm.population_figures
    where figure not in ('customers', 'net_revenue', 'margin')
),

grades as (
    select grade, max(n) as most_n
    from estimates
    group by grade
)

select estimates.figure, estimates.status, estimates.segment_kind, estimates.segment,
    estimates.n, grades.most_n
from estimates
inner join grades on grades.grade < estimates.grade and grades.most_n >= estimates.n
