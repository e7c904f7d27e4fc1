/*
table: crm.population_figures
severity: error
says: segments that lack a figure
why: A figure that is too few is suppressed and says so; one that is missing was forgotten.
action: Look at the step scoring/population_figures.
shown: [segment_kind]
*/
select segment_kind, segment, count(distinct figure) as figures_n
from crm.population_figures
group by segment_kind, segment
having count(distinct figure) <> 9
