/*
table: crm.customer_key_changes
severity: error
says: changes of a key to itself, or of a publication that is not there
why: Readers follow changes of keys to join old reports with new ones.
action: Stage the candidate anew from the last publication.
*/
select changes.old_customer_key, changes.new_customer_key, changes.publication_id
from crm.customer_key_changes as changes
left join crm.publication as publication on changes.publication_id = publication.publication_id
where changes.old_customer_key = changes.new_customer_key or publication.publication_id is null
