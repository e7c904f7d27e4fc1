/*
table: night.publication
severity: error
says: publications follow one that the file does not hold
why: History is a chain; a link that is missing was overwritten by another run.
action: Stage the candidate anew from the last publication.
*/
select publication.publication_id, publication.previous_publication_id
from night.publication as publication
cross join night.expected as expected
left join crm.publication as previous
    on publication.previous_publication_id = previous.publication_id
where (
        publication.previous_publication_id <> 0
        and previous.publication_id is null
        -- A publication that is made again stands alone in its file.
        and not expected.is_replay
    )
    or publication.previous_publication_id >= publication.publication_id
