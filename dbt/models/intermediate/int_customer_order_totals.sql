with weights as (
    {{ decay_weights('orders') }}
),

events as (
    select
        customer_key,
        ordered_date as event_date,
        'sale' as kind,
        channel,
        sale_amount as amount,
        discount_amount,
        quantity,
        cost_amount,
        shipping_amount,
        cost_amount is not null as is_costed,
        is_purchase,
        is_refunded_in_full
    from {{ ref('customer_orders') }}
    union all
    select
        orders.customer_key,
        reversals.event_date,
        reversals.kind,
        orders.channel,
        reversals.amount,
        cast(0 as decimal(38, 4)) as discount_amount,
        reversals.quantity,
        reversals.cost_amount,
        reversals.shipping_amount,
        orders.cost_amount is not null as is_costed,
        false as is_purchase,
        false as is_refunded_in_full
    from {{ ref('int_order_reversals') }} as reversals
    inner join {{ ref('customer_orders') }} as orders
        on
            reversals.source = orders.source
            and reversals.order_id = orders.order_id
),

as_of as (
    select
        events.*,
        inputs.as_of_date,
        events.event_date > {{ add_days('inputs.as_of_date', '-' ~ crm('figure_window_days')) }}
            as is_in_window,
        events.event_date > {{ add_days(
            add_days('inputs.as_of_date', '-' ~ crm('figure_window_days')),
            '-' ~ crm('figure_window_days')
        ) }} as is_in_either_window,
        weights.*
    from events
    inner join {{ ref('stg_night__inputs') }} as inputs
        on events.event_date <= inputs.as_of_date
    left join weights
        on {{ days_between('events.event_date', 'inputs.as_of_date') }} = weights.age_days
)

select
    customer_key,
    min(case when is_purchase then event_date end) as first_purchase_date,
    max(case when is_purchase then event_date end) as last_purchase_date,
    cast(sum(case when is_purchase then 1 else 0 end) as integer) as purchases_n,
    cast(sum(case when kind = 'sale' then 1 else 0 end) as integer) as orders_n,
    cast(sum(amount) as decimal(38, 4)) as net_revenue_amount,
    cast(sum(case when kind = 'refund' then -amount else 0 end) as decimal(38, 4))
        as refund_amount,
    max(event_date) as last_event_date,
    cast(sum(case when is_in_window and is_purchase then 1 else 0 end) as integer)
        as window_purchases_n,
    cast(
        sum(case when is_in_either_window and not is_in_window and is_purchase then 1 else 0 end)
        as integer
    ) as previous_window_purchases_n,
    cast(sum(case when is_in_window then amount else 0 end) as decimal(38, 4))
        as window_net_revenue_amount,
    cast(
        sum(
            case
                when is_in_window and is_costed then amount - cost_amount - shipping_amount
                else 0
            end
        ) as decimal(38, 4)
    ) as window_margin_amount,
    cast(sum(case when is_in_window and is_purchase and is_costed then 1 else 0 end) as integer)
        as window_costed_purchases_n,
    cast(sum(case when is_refunded_in_full then 1 else 0 end) as integer) as refunded_orders_n,
    max(case when is_refunded_in_full then event_date end) as last_refunded_order_date,
    -- What profitability is made of. An order without a known product cost is left out of the
    -- contribution as a whole.
    {{ profitability_sum('1') }} as profitability_events_n,
    {{ profitability_sum('amount + discount_amount', "kind = 'sale'") }}
        as profitability_gross_sales_amount,
    {{ profitability_sum('discount_amount') }} as profitability_discount_amount,
    {{ profitability_sum('-amount', "kind = 'refund'") }} as profitability_refund_amount,
    {{ profitability_sum('-amount', "kind = 'return'") }} as profitability_returned_amount,
    {{ profitability_sum('-amount', "kind = 'cancel'") }} as profitability_cancelled_amount,
    {{ profitability_sum('amount') }} as profitability_net_revenue_amount,
    {{ profitability_sum('cost_amount', 'is_costed') }} as profitability_product_cost_amount,
    {{ profitability_sum('shipping_amount', 'is_costed') }} as profitability_shipping_amount,
    {{ profitability_sum('amount', 'not is_costed') }} as profitability_uncosted_amount,
    {{ profitability_sum('abs(amount)', "kind <> 'refund'") }} as profitability_moved_amount,
    {{ profitability_sum('abs(amount)', "kind <> 'refund' and is_costed") }}
        as profitability_costed_moved_amount,
    cast(
        sum(
            case
                when
                    is_purchase
                    and event_date > {{ add_days('as_of_date', '-' ~ crm('segment_days')) }}
                    then 1
                else 0
            end
        ) as integer
    ) as segment_purchases_n,
    cast(
        sum(
            case
                when event_date > {{ add_days('as_of_date', '-' ~ crm('segment_days')) }}
                    then amount
                else 0
            end
        ) as decimal(38, 4)
    ) as segment_net_revenue_amount
    {{ accumulate('orders') }}
from as_of
group by customer_key
