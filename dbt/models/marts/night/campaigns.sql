-- A campaign, with every row of it by what became of the row.
with states as (
    select
        source,
        campaign_id,
        count(*) as rows_n,
        sum(case when state = 'after_date' then 1 else 0 end) as after_date_rows_n,
        sum(case when state = 'excluded' then 1 else 0 end) as excluded_rows_n,
        sum(case when state = 'unattributed' then 1 else 0 end) as unknown_customer_rows_n
    from {{ ref('int_campaign_rows') }}
    where state <> 'superseded'
    group by source, campaign_id
),

members as (
    select
        source,
        campaign_id,
        sum(case when group_name = 'both' then rows_n else 0 end) as both_groups_rows_n,
        sum(case when group_name <> 'both' then rows_n - 1 else 0 end) as repeated_rows_n,
        sum(case when group_name = 'treated' then 1 else 0 end) as treated_n,
        sum(case when group_name = 'control' then 1 else 0 end) as control_n,
        sum(case when group_name <> 'both' and is_treated_elsewhere then 1 else 0 end)
            as treated_elsewhere_n,
        sum(case when group_name <> 'both' and not is_window_over then 1 else 0 end)
            as open_windows_n,
        min(case when group_name <> 'both' then treated_date end) as first_treated_date,
        max(case when group_name <> 'both' then window_end_date end) as window_end_date,
        sum(case when group_name = 'treated' then net_revenue_amount end)
            as treated_net_revenue_amount,
        sum(case when group_name = 'control' then net_revenue_amount end)
            as control_net_revenue_amount
    from {{ ref('campaign_members') }}
    group by source, campaign_id
)

select
    states.source,
    states.campaign_id,
    inputs.as_of_date,
    case
        when coalesce(members.treated_n, 0) + coalesce(members.control_n, 0) = 0 then 'nobody'
        when members.control_n = 0 then 'no_control_group'
        when members.treated_n = 0 then 'no_treated_group'
        when members.open_windows_n > 0 then 'window_open'
        else 'ok'
    end as status,
    members.first_treated_date,
    members.window_end_date,
    cast(coalesce(members.treated_n, 0) as bigint) as treated_n,
    cast(coalesce(members.control_n, 0) as bigint) as control_n,
    cast(members.treated_net_revenue_amount as decimal(38, 4)) as treated_net_revenue_amount,
    cast(members.control_net_revenue_amount as decimal(38, 4)) as control_net_revenue_amount,
    cast(coalesce(members.open_windows_n, 0) as bigint) as open_windows_n,
    cast(coalesce(members.treated_elsewhere_n, 0) as bigint) as treated_elsewhere_n,
    cast(states.rows_n as bigint) as rows_n,
    cast(coalesce(members.repeated_rows_n, 0) as bigint) as repeated_rows_n,
    cast(coalesce(members.both_groups_rows_n, 0) as bigint) as both_groups_rows_n,
    cast(states.unknown_customer_rows_n as bigint) as unknown_customer_rows_n,
    cast(states.excluded_rows_n as bigint) as excluded_rows_n,
    cast(states.after_date_rows_n as bigint) as after_date_rows_n
from states
cross join {{ ref('stg_night__inputs') }} as inputs
left join members
    on
        states.source = members.source
        and states.campaign_id = members.campaign_id
