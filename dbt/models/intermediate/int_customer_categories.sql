-- Lines as they stand on D: what was cancelled or refunded on the line by then is off. Refunds of a
-- whole order name no category; they count only in that an order refunded in full is no purchase.
with purchases as (
    select
        orders.customer_key,
        orders.source,
        orders.order_id,
        inputs.as_of_date
    from {{ ref('customer_orders') }} as orders
    inner join {{ ref('stg_night__inputs') }} as inputs
        on orders.ordered_date > {{ add_days('inputs.as_of_date', '-' ~ crm('segment_days')) }}
    where orders.is_purchase
),

lines as (
    select
        source,
        order_id,
        product_category,
        sale_amount,
        refund_amount,
        case when is_return then coalesce(refunded_date, ordered_date) end as returned_date,
        refunded_date,
        case when status = 'cancelled' then coalesce(cancelled_date, ordered_date) end
            as cancelled_date
    from {{ ref('int_order_lines_valued') }}
    where
        product_category is not null
        and left_out_rule is null
)

select
    purchases.customer_key,
    lines.product_category,
    cast(
        sum(
            case
                when
                    lines.cancelled_date <= purchases.as_of_date
                    or lines.returned_date > purchases.as_of_date
                    then 0
                when lines.refunded_date > purchases.as_of_date then lines.sale_amount
                else lines.sale_amount - lines.refund_amount
            end
        ) as decimal(38, 4)
    ) as net_revenue_amount
from lines
inner join purchases
    on
        lines.source = purchases.source
        and lines.order_id = purchases.order_id
group by purchases.customer_key, lines.product_category
