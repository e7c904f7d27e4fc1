/*
table: crm.campaign_results
severity: error
says: campaigns whose results are not of all their customers
why: Every customer of a group stands in one quadrant, and in `all` compared or counted as left out.
action: Look at the queries in feedback/campaign_queries.py.
shown: [campaign_members_n, quadrants_n, all_n, figures_n]
*/
with counted as (
    select
        source, campaign_id,
        sum(
            case when figure = 'response' and quadrant <> 'all'
                then treated_n + control_n + not_compared_n end
        ) as quadrants_n,
        sum(
            case when figure = 'response' and quadrant = 'all'
                then treated_n + control_n + not_compared_n end
        ) as all_n,
        sum(case when quadrant = 'all' then 1 else 0 end) as figures_n
    from crm.campaign_results
    group by source, campaign_id
)

select
    campaigns.campaign_id, campaigns.source,
    campaigns.treated_n + campaigns.control_n as campaign_members_n,
    counted.quadrants_n, counted.all_n, counted.figures_n
from crm.campaigns as campaigns
full outer join counted
    on campaigns.source = counted.source and campaigns.campaign_id = counted.campaign_id
where coalesce(campaigns.treated_n + campaigns.control_n, -1) <> coalesce(counted.quadrants_n, 0)
    or coalesce(counted.all_n, 0) <> coalesce(counted.quadrants_n, 0)
    or (counted.all_n > 0 and counted.figures_n <> 4)
