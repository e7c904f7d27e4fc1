/*
table: crm.customers
severity: error
says: publications with far fewer customers than the one before
why: >-
  Customers vanish by the thousand when a source was not delivered or an id column changed, not
  by themselves.
action: Compare the load ledger with the night before; if the drop is real, waive.
*/
-- Only against a publication of an earlier date that history still holds.
with counted as (
    select publication_id, count(*) as customers_n
    from night.customer_score_history
    group by publication_id
),

before as (
    select history.publication_id, count(*) as customers_n
    from crm.customer_score_history as history
    inner join night.publication as publication
        on history.publication_id = publication.previous_publication_id
        and history.as_of_date <= publication.as_of_date
    group by history.publication_id
)

select counted.publication_id, counted.customers_n, before.customers_n as customers_before_n
from counted
cross join before
cross join night.bounds as bounds
where counted.customers_n < bounds.kept_share * before.customers_n
