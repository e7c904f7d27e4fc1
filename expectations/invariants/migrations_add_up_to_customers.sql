/*
table: crm.label_migrations
severity: error
says: labels of tonight that other numbers of customers come to than have them
why: Those who stay, move and appear are all customers; a sum that leaves some out misleads.
action: Stage the candidate anew from the last publication; look at engine/label_records.py.
shown: [label_kind, is_held, label]
*/
with labelled as (
    select 'tier' as label_kind, false as is_held, tier as label, count(*) as customers_n
    from night.customer_score_history group by tier
    union all
    select 'tier' as label_kind, true as is_held, tier_held as label, count(*) as customers_n
    from night.customer_score_history group by tier_held
    union all
    select 'quadrant' as label_kind, false as is_held, quadrant as label, count(*) as customers_n
    from night.customer_score_history group by quadrant
    union all
    select 'quadrant' as label_kind, true as is_held, quadrant_held as label,
        count(*) as customers_n
    from night.customer_score_history group by quadrant_held
    union all
    select 'lifecycle_stage' as label_kind, false as is_held, lifecycle_stage as label,
        count(*) as customers_n
    from night.customer_score_history group by lifecycle_stage
    union all
    select 'lifecycle_stage' as label_kind, true as is_held, lifecycle_stage_held as label,
        count(*) as customers_n
    from night.customer_score_history group by lifecycle_stage_held
),

arrived as (
    select
        migrations.label_kind,
        migrations.is_held,
        migrations.to_label as label,
        sum(migrations.customers_n) as customers_n
    from crm.label_migrations as migrations
    inner join night.publication as publication
        on migrations.as_of_date = publication.as_of_date
    where migrations.to_label <> 'vanished'
    group by migrations.label_kind, migrations.is_held, migrations.to_label
)

select
    coalesce(labelled.label_kind, arrived.label_kind) as label_kind,
    coalesce(labelled.is_held, arrived.is_held) as is_held,
    coalesce(labelled.label, arrived.label) as label,
    labelled.customers_n as customers_labelled_n,
    arrived.customers_n as customers_arrived_n
from labelled
full outer join arrived
    on labelled.label_kind = arrived.label_kind
    and labelled.is_held = arrived.is_held
    and labelled.label = arrived.label
cross join night.expected as expected
where not expected.is_replay
    and coalesce(labelled.customers_n, 0) <> coalesce(arrived.customers_n, 0)
