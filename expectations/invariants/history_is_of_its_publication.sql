/*
table: night.customer_score_history
severity: error
says: dates or revisions in tonight's history other than its publication's
why: A row of history is found by its date and revision.
action: Stage the candidate anew from the last publication.
*/
select distinct history.as_of_date, history.revision, publication.as_of_date as publication_date
from night.customer_score_history as history
cross join night.publication as publication
where history.as_of_date <> publication.as_of_date or history.revision <> publication.revision
