select
    orders.source,
    orders.order_id,
    orders.ordered_date,
    orders.currency,
    orders.held_reason as reason,
    cast(orders.sale_amount_original as decimal(38, 4)) as amount
from {{ ref('order_facts') }} as orders
inner join {{ ref('stg_night__inputs') }} as inputs
    on orders.ordered_date <= inputs.as_of_date
where
    orders.held_reason is not null
    and orders.excluded_reason is null
