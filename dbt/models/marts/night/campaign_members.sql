-- What each customer of a campaign did in the days from the treatment on. One person may stand in a
-- campaign under several ids: the first treatment counts, and who is in both groups is in none.
with members as (
    select
        rows_of_campaigns.source,
        rows_of_campaigns.campaign_id,
        rows_of_campaigns.customer_key,
        case
            when min(rows_of_campaigns.group_name) = max(rows_of_campaigns.group_name)
                then min(rows_of_campaigns.group_name)
            else 'both'
        end as group_name,
        min(rows_of_campaigns.treated_date) as treated_date,
        count(*) as rows_n
    from {{ ref('int_campaign_rows') }} as rows_of_campaigns
    where rows_of_campaigns.state = 'counted'
    group by
        rows_of_campaigns.source, rows_of_campaigns.campaign_id, rows_of_campaigns.customer_key
),

windows as (
    select
        members.*,
        inputs.as_of_date,
        {{ add_days(add_days('members.treated_date', crm('campaign_window_days')), '-1') }}
            as window_end_date
    from members
    cross join {{ ref('stg_night__inputs') }} as inputs
),

-- As it was on the eve: what is given back since must not decide who is asked whether they came
-- back.
kept_before as (
    select
        windows.source,
        windows.campaign_id,
        windows.customer_key
    from windows
    inner join {{ ref('customer_orders') }} as orders
        on
            windows.customer_key = orders.customer_key
            and windows.treated_date > orders.ordered_date
    left join {{ ref('int_order_reversals') }} as reversals
        on
            orders.source = reversals.source
            and orders.order_id = reversals.order_id
            and windows.treated_date > reversals.event_date
    group by
        windows.source, windows.campaign_id, windows.customer_key, orders.source, orders.order_id,
        orders.sale_amount
    having orders.sale_amount + coalesce(sum(reversals.amount), 0) > 0
),

buyers_before as (
    select distinct
        kept_before.source,
        kept_before.campaign_id,
        kept_before.customer_key
    from kept_before
),

purchases as (
    select
        windows.source,
        windows.campaign_id,
        windows.customer_key,
        sum(case when orders.is_purchase then 1 else 0 end) as purchases_n,
        sum(orders.net_amount) as net_revenue_amount
    from windows
    inner join {{ ref('customer_orders') }} as orders
        on
            windows.customer_key = orders.customer_key
            and windows.treated_date <= orders.ordered_date
            and windows.window_end_date >= orders.ordered_date
    group by windows.source, windows.campaign_id, windows.customer_key
),

responses as (
    select
        windows.source,
        windows.campaign_id,
        windows.customer_key,
        sum(interactions.n) as responses_n
    from windows
    inner join {{ ref('customer_identities') }} as identities
        on windows.customer_key = identities.customer_key
    inner join {{ ref('interaction_days') }} as interactions
        on
            identities.identity_id = interactions.identity_id
            and windows.treated_date <= interactions.business_date
            and windows.window_end_date >= interactions.business_date
            and windows.as_of_date >= interactions.business_date
    where {{ is_one_of('interactions.type', crm('campaign_response_types')) }}
    group by windows.source, windows.campaign_id, windows.customer_key
),

-- One voice a customer, as in population figures.
ranked_answers as (
    select
        windows.source,
        windows.campaign_id,
        windows.customer_key,
        answers.answer_score,
        row_number() over (
            partition by windows.source, windows.campaign_id, windows.customer_key
            order by
                answers.responded_at desc nulls last,
                answers.source asc nulls last,
                answers.response_id desc nulls last
        ) as newness
    from windows
    inner join {{ ref('customer_identities') }} as identities
        on windows.customer_key = identities.customer_key
    inner join {{ ref('survey_answers') }} as answers
        on
            identities.identity_id = answers.identity_id
            and windows.treated_date <= answers.responded_date
            and windows.window_end_date >= answers.responded_date
            and windows.as_of_date >= answers.responded_date
    where answers.instrument = 'csat'
),

elsewhere as (
    select
        windows.source,
        windows.campaign_id,
        windows.customer_key,
        count(*) as treatments_n
    from windows
    inner join windows as others
        on
            windows.customer_key = others.customer_key
            and windows.window_end_date >= others.treated_date
            and windows.treated_date <= others.window_end_date
    where
        others.group_name in ('treated', 'both')
        and (others.source <> windows.source or others.campaign_id <> windows.campaign_id)
    group by windows.source, windows.campaign_id, windows.customer_key
)

select
    windows.source,
    windows.campaign_id,
    windows.customer_key,
    windows.as_of_date,
    windows.group_name,
    windows.treated_date,
    windows.window_end_date,
    windows.window_end_date <= windows.as_of_date as is_window_over,
    cast(windows.rows_n as bigint) as rows_n,
    buyers_before.customer_key is not null as is_buyer_before,
    cast(coalesce(purchases.purchases_n, 0) as bigint) as purchases_n,
    coalesce(purchases.purchases_n, 0) > 0 or coalesce(responses.responses_n, 0) > 0
        as has_responded,
    cast(coalesce(purchases.net_revenue_amount, 0) as decimal(38, 4)) as net_revenue_amount,
    cast(ranked_answers.answer_score as decimal(7, 4)) as csat_score,
    coalesce(elsewhere.treatments_n, 0) > 0 as is_treated_elsewhere
from windows
left join buyers_before
    on
        windows.source = buyers_before.source
        and windows.campaign_id = buyers_before.campaign_id
        and windows.customer_key = buyers_before.customer_key
left join purchases
    on
        windows.source = purchases.source
        and windows.campaign_id = purchases.campaign_id
        and windows.customer_key = purchases.customer_key
left join responses
    on
        windows.source = responses.source
        and windows.campaign_id = responses.campaign_id
        and windows.customer_key = responses.customer_key
left join ranked_answers
    on
        windows.source = ranked_answers.source
        and windows.campaign_id = ranked_answers.campaign_id
        and windows.customer_key = ranked_answers.customer_key
        and ranked_answers.newness = 1
left join elsewhere
    on
        windows.source = elsewhere.source
        and windows.campaign_id = elsewhere.campaign_id
        and windows.customer_key = elsewhere.customer_key
