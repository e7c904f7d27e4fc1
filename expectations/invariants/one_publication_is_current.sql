/*
table: crm.publication
severity: error
says: numbers of current publications other than one
why: Readers must know which date the tables are of.
action: Stage the candidate anew from the last publication.
*/
with current_publications as (
    select sum(case when is_current then 1 else 0 end) as current_n
    from crm.publication
)

select current_n
from current_publications
where current_n is distinct from 1
