{%- set last_dates = {
    'orders': 'orders.last_event_date', 'interactions': 'interactions.last_interaction_date',
    'surveys': 'answers.last_answer_date', 'customers': 'attributes.stated_date'
} -%}

with base as (
    select
        identities.customer_key,
        inputs.as_of_date,
        inputs.candidate_id,
        cast(count(*) as integer) as identities_n
    from {{ ref('customer_identities') }} as identities
    cross join {{ ref('stg_night__inputs') }} as inputs
    where
        not exists (
            select 1
            from {{ ref('customer_exclusions') }} as exclusions
            where exclusions.customer_key = identities.customer_key
        )
    group by identities.customer_key, inputs.as_of_date, inputs.candidate_id
)

select
    base.customer_key,
    base.as_of_date,
    base.candidate_id,
    {{ profile_of('attributes.customer_type') }} as profile,
    attributes.customer_type,
    attributes.account_id,
    attributes.region,
    attributes.city,
    attributes.gender,
    attributes.birth_year,
    attributes.signed_up_date,
    base.identities_n,
    orders.first_purchase_date,
    orders.last_purchase_date,
    cast({{ days_between('orders.last_purchase_date', 'base.as_of_date') }} as integer)
        as days_since_last_purchase,
    coalesce(orders.purchases_n, 0) as purchases_n,
    coalesce(days.purchase_days_n, 0) as purchase_days_n,
    coalesce(orders.orders_n, 0) as orders_n,
    cast(coalesce(orders.net_revenue_amount, 0) as decimal(38, 4)) as net_revenue_amount,
    cast(coalesce(orders.refund_amount, 0) as decimal(38, 4)) as refund_amount,
    days.median_gap_days,
    coalesce(orders.window_purchases_n, 0) as window_purchases_n,
    coalesce(orders.previous_window_purchases_n, 0) as previous_window_purchases_n,
    cast(
        case
            when first_dates.first_orders_date <= base.as_of_date
                then coalesce(orders.window_net_revenue_amount, 0)
        end as decimal(38, 4)
    ) as window_net_revenue_amount,
    -- Purchases of unknown cost do not make a margin of zero.
    cast(
        case
            when
                first_dates.first_cost_date <= base.as_of_date
                and (
                    coalesce(orders.window_purchases_n, 0) = 0
                    or orders.window_costed_purchases_n > 0
                )
                then coalesce(orders.window_margin_amount, 0)
        end as decimal(38, 4)
    ) as window_margin_amount,
    coalesce(orders.refunded_orders_n, 0) as refunded_orders_n,
    cast({{ days_between('orders.last_refunded_order_date', 'base.as_of_date') }} as integer)
        as days_since_last_refunded_order,
    cast(coalesce(interactions.interactions_n, 0) as bigint) as interactions_n,
    interactions.last_interaction_date,
    coalesce(answers.survey_answers_n, 0) as survey_answers_n,
    coalesce(
        greatest(
            cast(null as date)
            {%- for kind, last_date in last_dates.items() if kind in crm('population_events') %}
            , {{ last_date }}
            {%- endfor %}
        ) > {{ add_days('base.as_of_date', '-' ~ crm('population_days')) }},
        false
    ) as is_in_population
    {{ indicator_columns() }}
from base
cross join {{ ref('int_first_dates') }} as first_dates
left join {{ ref('int_customer_attributes') }} as attributes
    on base.customer_key = attributes.customer_key
left join {{ ref('int_customer_order_totals') }} as orders
    on base.customer_key = orders.customer_key
left join {{ ref('int_customer_rhythm') }} as days
    on base.customer_key = days.customer_key
left join {{ ref('int_customer_interactions') }} as interactions
    on base.customer_key = interactions.customer_key
left join {{ ref('int_customer_answers') }} as answers
    on base.customer_key = answers.customer_key
