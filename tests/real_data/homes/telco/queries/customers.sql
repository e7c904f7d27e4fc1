-- One row for each customer. An age becomes a year of birth, reckoned from the snapshot.
select
    status."Customer ID" as customer_id,
    '2019-09-30' as valid_from,
    places."State" as region,
    places."City" as city,
    people."Gender" as gender,
    cast(2019 - cast(people."Age" as integer) as varchar) as birth_year,
    status."Satisfaction Score" as satisfaction,
    services."Number of Referrals" as referrals,
    services."Tenure in Months" as tenure_months,
    services."Total Revenue" as total_revenue,
    services."Monthly Charge" as monthly_charge,
    cast(
        cast(services."Phone Service" = 'Yes' as integer)
        + cast(services."Multiple Lines" = 'Yes' as integer)
        + cast(services."Internet Service" = 'Yes' as integer)
        + cast(services."Online Security" = 'Yes' as integer)
        + cast(services."Online Backup" = 'Yes' as integer)
        + cast(services."Device Protection Plan" = 'Yes' as integer)
        + cast(services."Premium Tech Support" = 'Yes' as integer)
        + cast(services."Streaming TV" = 'Yes' as integer)
        + cast(services."Streaming Movies" = 'Yes' as integer)
        + cast(services."Streaming Music" = 'Yes' as integer)
        + cast(services."Unlimited Data" = 'Yes' as integer)
    as varchar) as services_in_use
from status
left join services on status."Customer ID" = services."Customer ID"
left join people on status."Customer ID" = people."Customer ID"
left join places on status."Customer ID" = places."Customer ID"
