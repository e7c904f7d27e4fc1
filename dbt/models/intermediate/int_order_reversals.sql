-- A refund pays back shipping and tax, too, which never were revenue. So what is taken back beyond
-- the worth of an order is repaid charges, as far as the order had any and refunds paid for it;
-- beyond them it stays a loss. As of every date this is a function of all events up to it, in
-- whatever steps and order they came.
with ordered as (
    select
        reversals.*,
        orders.sale_amount_original,
        orders.sale_amount,
        orders.charged_amount_original,
        orders.charged_amount,
        row_number() over (
            partition by reversals.source, reversals.order_id
            order by
                reversals.event_date asc nulls last,
                case reversals.kind when 'return' then 1 when 'refund' then 2 else 3 end asc
                nulls last,
                reversals.state_date_source asc nulls last
        ) as event_no
    from {{ ref('int_stated_reversals') }} as reversals
    inner join {{ ref('order_facts') }} as orders
        on
            reversals.source = orders.source
            and reversals.order_id = orders.order_id
),

left_over as (
    select
        {%- for suffix in ['_original', ''] %}
            sale_amount{{ suffix }} + sum(amount{{ suffix }}) over (
                partition by source, order_id
                order by event_no asc nulls last
            ) as left_amount{{ suffix }},
            greatest(
                -sum(case when kind = 'refund' then amount{{ suffix }} else 0 end) over (
                    partition by source, order_id
                    order by event_no asc nulls last
                ), 0
            ) as refunded_amount{{ suffix }},
        {%- endfor %}
        ordered.*
    from ordered
),

explained as (
    select
        left_over.*,
        case
            when left_amount_original < 0
                then
                    least(-left_amount_original, charged_amount_original, refunded_amount_original)
            else 0
        end as repaid_amount_original
    from left_over
),

-- Nothing left in the order's currency is nothing left in the base currency: lines and refunds
-- are rounded apart when they are converted.
converted as (
    select
        explained.*,
        case
            when left_amount_original > 0 or refunded_amount_original = 0 then 0
            when left_amount_original + repaid_amount_original = 0 then -left_amount
            else least(charged_amount, refunded_amount)
        end as repaid_amount
    from explained
),

stepped as (
    select
        {%- for suffix in ['_original', ''] %}
            repaid_amount{{ suffix }} - coalesce(
                lag(repaid_amount{{ suffix }}) over (
                    partition by source, order_id
                    order by event_no asc nulls last
                ), 0
            ) as charges_amount{{ suffix }},
        {%- endfor %}
        converted.*
    from converted
)

select
    source,
    order_id,
    kind,
    event_date,
    state_date_source,
    cast(amount_original + charges_amount_original as decimal(38, 4)) as amount_original,
    cast(amount + charges_amount as decimal(38, 4)) as amount,
    cast(-charges_amount_original as decimal(38, 4)) as charges_amount_original,
    cast(-charges_amount as decimal(38, 4)) as charges_amount,
    quantity,
    cost_amount,
    shipping_amount
from stepped
