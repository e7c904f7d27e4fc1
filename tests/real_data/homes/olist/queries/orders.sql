-- One line for each item; an order without items is a line that costs nothing. What was ordered
-- and not taken back is sold; an order that was only created waits for its payment. No date of
-- cancellation is exported: the last time at which anything happened stands in.
with judged as (
    select
        orders.*,
        case
            when order_status in ('canceled', 'unavailable') then 'cancelled'
            when order_status = 'created' then 'open'
            else 'completed'
        end as status,
        greatest(order_purchase_timestamp, order_approved_at, order_delivered_carrier_date,
            order_delivered_customer_date) as last_seen_at
    from orders
)

select
    judged.order_id,
    coalesce(items.order_item_id, '0') as line_id,
    people.customer_unique_id as customer_id,
    judged.order_purchase_timestamp as ordered_at,
    judged.status,
    coalesce(items.price, '0') as unit_price,
    coalesce(items.freight_value, '0') as shipping,
    case when judged.status = 'cancelled' then judged.last_seen_at end as cancelled_at,
    items.product_id
from judged
left join people on judged.customer_id = people.customer_id
left join items on judged.order_id = items.order_id
