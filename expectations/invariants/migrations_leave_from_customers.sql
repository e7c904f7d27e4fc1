/*
table: crm.label_migrations
severity: error
says: kinds of labels from which other numbers of customers go than there were the date before
why: Those who stay, move and vanish are all customers of the date before.
action: Stage the candidate anew from the last publication; look at engine/label_records.py.
shown: [label_kind, is_held]
*/
-- Only where history still holds the date before.
with departed as (
    select
        migrations.label_kind,
        migrations.is_held,
        migrations.previous_date,
        sum(case when migrations.from_label = 'appeared' then 0 else migrations.customers_n end)
            as customers_n
    from crm.label_migrations as migrations
    inner join night.publication as publication
        on migrations.as_of_date = publication.as_of_date
    group by migrations.label_kind, migrations.is_held, migrations.previous_date
),

before as (
    select history.as_of_date, count(*) as customers_n
    from crm.customer_score_history as history
    where history.publication_id in (
        select max(publication.publication_id)
        from crm.publication as publication
        group by publication.as_of_date
    )
    and history.as_of_date in (select departed.previous_date from departed)
    group by history.as_of_date
)

select
    departed.label_kind,
    departed.is_held,
    departed.customers_n as customers_departed_n,
    before.customers_n as customers_before_n
from departed
inner join before on departed.previous_date = before.as_of_date
where departed.customers_n <> before.customers_n
