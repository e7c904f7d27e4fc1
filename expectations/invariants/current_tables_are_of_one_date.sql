/*
table: crm.customer_scores
severity: error
says: dates in current tables other than the current publication's
why: Tables of different dates side by side give sums that never were.
action: Stage the candidate anew from one night's build.
shown: [table_name]
*/
with dates as (
    select distinct 'customer_scores' as table_name, as_of_date
    from crm.customer_scores
    union all
    select distinct 'segment_kpis' as table_name, as_of_date
    from crm.segment_kpis
    union all
    select distinct 'population_figures' as table_name, as_of_date
    from crm.population_figures
    union all
    select distinct 'reference_drift' as table_name, as_of_date
    from crm.reference_drift
    union all
    select distinct 'label_shares' as table_name, as_of_date
    from crm.label_shares
)

select dates.table_name, dates.as_of_date, publication.as_of_date as current_as_of_date
from dates
cross join crm.publication as publication
where publication.is_current and dates.as_of_date is distinct from publication.as_of_date
