/*
table: crm.publication
severity: error
says: publications are of a later date, or a later revision, than the current one
why: An older date goes to history and never replaces the current tables.
action: Stage the candidate anew from the last publication.
*/
select
    publication.publication_id,
    publication.as_of_date,
    publication.revision,
    current_one.as_of_date as current_as_of_date
from crm.publication as publication
cross join crm.publication as current_one
where current_one.is_current
    and (
        publication.as_of_date > current_one.as_of_date
        or (
            publication.as_of_date = current_one.as_of_date
            and publication.revision > current_one.revision
        )
    )
