/*
table: night.publication
severity: error
says: publications name a reference or configuration that the file does not hold
why: >-
  Without its reference and configuration a score can neither be explained nor made again.
action: Stage the candidate anew from one night's build.
*/
select publication.publication_id, publication.reference_id, publication.config_hash
from night.publication as publication
where not exists (
    select 1 from crm.scoring_reference as reference
    where reference.reference_id = publication.reference_id
)
or not exists (
    select 1 from crm.configurations as configuration
    where configuration.config_hash = publication.config_hash
)
