/*
table: night.publication
severity: error
says: newest publications are of another candidate or other knowledge
why: The gate judges the file for the six inputs it was called with.
action: Stage the candidate anew; do not copy files between candidates.
*/
select publication.publication_id, publication.candidate_id, publication.known_load_seq
from night.publication as publication
cross join night.expected as expected
where publication.candidate_id <> expected.candidate_id
    or publication.known_load_seq <> expected.known_load_seq
