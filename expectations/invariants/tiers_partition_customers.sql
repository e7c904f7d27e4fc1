/*
table: crm.segment_kpis
severity: error
says: tiers whose count is not the number of customers with that label
why: >-
  Each customer is in one of the tiers; parts that do not add up to the whole are not believed
  again.
action: Make segment_kpis anew from customer_scores; look for a label that nobody grouped.
shown: [segment]
*/
with labelled as (
    select tier as segment, count(*) as customers_n
    from crm.customer_scores
    group by tier
),

published as (
    select segment, customers_n
    from crm.segment_kpis
    where segment_kind = 'tier'
)

select
    coalesce(labelled.segment, published.segment) as segment,
    labelled.customers_n as customers_labelled_n,
    published.customers_n as customers_published_n
from labelled
full outer join published on labelled.segment = published.segment
where coalesce(labelled.customers_n, 0) <> coalesce(published.customers_n, 0)
