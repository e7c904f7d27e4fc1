/*
table: crm.label_shares
severity: error
says: kinds of labels that do not count the same customers as the tiers of their profile
why: >-
  Each customer of the population has one tier, one quadrant and one stage; shares that are not
  of the same customers cannot be compared.
action: Look at scoring/label_shares.py for a label that nobody grouped.
shown: [label_kind, profile]
*/
with counted as (
    select
        profile, label_kind,
        sum(customers_n) as customers_n,
        sum(reference_customers_n) as reference_customers_n
    from crm.label_shares
    group by profile, label_kind
)

select counted.label_kind, counted.profile, counted.customers_n, counted.reference_customers_n
from counted
inner join counted as tiers
    on counted.profile = tiers.profile and tiers.label_kind = 'tier'
where counted.customers_n <> tiers.customers_n
    or counted.reference_customers_n is distinct from tiers.reference_customers_n
