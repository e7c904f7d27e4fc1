{{ config(materialized='view') }}

-- A view: the sale of every order stands in order_facts already.
select
    source,
    order_id,
    identity_id,
    ordered_date as event_date,
    'sale' as kind,
    cast(sale_amount as decimal(38, 4)) as amount,
    cast(sale_amount_original as decimal(38, 4)) as amount_original,
    cast(0 as decimal(38, 4)) as charges_amount_original,
    currency,
    channel,
    cast(quantity as decimal(38, 4)) as quantity,
    cast(cost_amount as decimal(38, 4)) as cost_amount,
    cast(shipping_amount as decimal(38, 4)) as shipping_amount,
    'stated' as state_date_source
from {{ ref('order_facts') }}
where
    held_reason is null
    and excluded_reason is null
    and lines_n > returned_lines_n + left_out_lines_n
union all
select
    reversals.source,
    reversals.order_id,
    orders.identity_id,
    reversals.event_date,
    reversals.kind,
    reversals.amount,
    reversals.amount_original,
    reversals.charges_amount_original,
    orders.currency,
    orders.channel,
    reversals.quantity,
    case when orders.cost_amount is not null then reversals.cost_amount end as cost_amount,
    reversals.shipping_amount,
    reversals.state_date_source
from {{ ref('int_order_reversals') }} as reversals
inner join {{ ref('order_facts') }} as orders
    on
        reversals.source = orders.source
        and reversals.order_id = orders.order_id
