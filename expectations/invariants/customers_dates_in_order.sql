/*
table: crm.customers
severity: error
says: customers have dates after the publication's, or a last purchase before the first
why: As of D means nothing later than D.
action: Look for a date filter that is missing in customer_features.
*/
select
    customers.customer_key,
    customers.first_purchase_date,
    customers.last_purchase_date,
    customers.last_interaction_date,
    publication.as_of_date
from crm.customers as customers
cross join crm.publication as publication
where publication.is_current
    and (
        customers.last_purchase_date > publication.as_of_date
        or customers.last_interaction_date > publication.as_of_date
        or customers.first_purchase_date > customers.last_purchase_date
        or (customers.purchases_n = 0) <> (customers.last_purchase_date is null)
        or (customers.first_purchase_date is null) <> (customers.last_purchase_date is null)
    )
