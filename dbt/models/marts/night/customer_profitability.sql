-- Sales are net of discounts, and net revenue of what was refunded, returned and cancelled, each at
-- its own date; so nothing of these is taken off a second time. Orders without a known product
-- cost are left out of the contribution as a whole, revenue and all.
with amounts as (
    select
        features.customer_key,
        features.as_of_date,
        coalesce(orders.profitability_gross_sales_amount, 0) as gross_sales_amount,
        coalesce(orders.profitability_discount_amount, 0) as discount_amount,
        coalesce(orders.profitability_refund_amount, 0) as refund_amount,
        coalesce(orders.profitability_returned_amount, 0) as returned_amount,
        coalesce(orders.profitability_cancelled_amount, 0) as cancelled_amount,
        coalesce(orders.profitability_net_revenue_amount, 0) as net_revenue_amount,
        coalesce(orders.profitability_uncosted_amount, 0) as uncosted_revenue_amount,
        coalesce(orders.profitability_product_cost_amount, 0) as product_cost_amount,
        coalesce(orders.profitability_shipping_amount, 0) as shipping_amount,
        coalesce(interactions.cost_to_serve_amount, 0) as cost_to_serve_amount,
        coalesce(orders.profitability_events_n, 0) > 0
        or coalesce(interactions.cost_to_serve_amount, 0) <> 0 as is_active,
        coalesce(orders.profitability_moved_amount, 0) as moved_amount,
        coalesce(orders.profitability_costed_moved_amount, 0) as costed_moved_amount
    from {{ ref('customer_features') }} as features
    left join {{ ref('int_customer_order_totals') }} as orders
        on features.customer_key = orders.customer_key
    left join {{ ref('int_customer_interactions') }} as interactions
        on features.customer_key = interactions.customer_key
),

judged as (
    select
        amounts.*,
        case
            when moved_amount > 0
                then cast(
                    cast(costed_moved_amount as double) / cast(moved_amount as double)
                    as decimal(9, 6)
                )
        end as costed_share,
        case
            when not is_active then 'no_activity'
            when costed_moved_amount = moved_amount then 'known'
            when
                costed_moved_amount > 0
                and cast(costed_moved_amount as double) / cast(moved_amount as double)
                >= {{ crm('minimum_costed_share') }}
                then 'partly_known'
            else 'cost_unknown'
        end as contribution_status
    from amounts
),

contributions as (
    select
        judged.*,
        case
            when contribution_status <> 'cost_unknown'
                then
                    net_revenue_amount - uncosted_revenue_amount - product_cost_amount
                    - shipping_amount - cost_to_serve_amount
        end as contribution_amount
    from judged
),

-- Who ties with others stands where the last of them does: sums and counts up to a row are up to
-- all rows with the same contribution.
ranked as (
    select
        customer_key,
        rank() over (order by contribution_amount desc nulls last) as contribution_rank,
        count(*) over (order by contribution_amount desc nulls last) as upto_n,
        sum(contribution_amount) over (order by contribution_amount desc nulls last)
            as cumulative_amount,
        count(*) over () as ranked_n,
        sum(contribution_amount) over () as total_amount
    from contributions
    where contribution_status in ('known', 'partly_known')
)

select
    contributions.customer_key,
    contributions.as_of_date,
    cast(contributions.gross_sales_amount as decimal(38, 4)) as gross_sales_amount,
    cast(contributions.discount_amount as decimal(38, 4)) as discount_amount,
    cast(contributions.refund_amount as decimal(38, 4)) as refund_amount,
    cast(contributions.returned_amount as decimal(38, 4)) as returned_amount,
    cast(contributions.cancelled_amount as decimal(38, 4)) as cancelled_amount,
    cast(contributions.net_revenue_amount as decimal(38, 4)) as net_revenue_amount,
    cast(contributions.uncosted_revenue_amount as decimal(38, 4)) as uncosted_revenue_amount,
    cast(contributions.product_cost_amount as decimal(38, 4)) as product_cost_amount,
    cast(contributions.shipping_amount as decimal(38, 4)) as shipping_amount,
    cast(contributions.cost_to_serve_amount as decimal(38, 4)) as cost_to_serve_amount,
    cast(contributions.contribution_amount as decimal(38, 4)) as contribution_amount,
    contributions.contribution_status,
    contributions.costed_share,
    ranked.contribution_rank,
    cast(
        {{ whole_quotient(whole_product(10, 'ranked.contribution_rank - 1'), 'ranked.ranked_n') }}
        + 1 as integer
    ) as contribution_decile,
    case
        when ranked.total_amount > 0
            then
                cast(contributions.contribution_amount as double)
                / cast(ranked.total_amount as double)
    end as contribution_share,
    cast(ranked.upto_n as double) / ranked.ranked_n as cumulative_customers_share,
    case
        when ranked.total_amount > 0
            then cast(ranked.cumulative_amount as double) / cast(ranked.total_amount as double)
    end as cumulative_contribution_share
from contributions
left join ranked
    on contributions.customer_key = ranked.customer_key
