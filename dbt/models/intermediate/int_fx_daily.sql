with ranked as (
    select
        rate_date,
        currency,
        source,
        rate,
        {{ newest_first(['source', 'rate_date', 'currency']) }} as newness
    from {{ ref('stg_raw__fx_rates') }}
),

-- Where two sources quote one currency on one date, the first by name is believed.
quoted as (
    select
        rate_date,
        currency,
        rate,
        row_number() over (
            partition by rate_date, currency order by source asc nulls last
        ) as preference
    from ranked
    where newness = 1
),

carries as (
    select 0 as carried_days
    {%- for days in range(1, crm('fx_carry_days') | int + 1) %}
    union all
    select {{ days }} as carried_days
    {%- endfor %}
),

carried as (
    select
        {{ add_days('quoted.rate_date', 'carries.carried_days') }} as rate_date,
        quoted.currency,
        quoted.rate,
        carries.carried_days
    from quoted
    cross join carries
    where quoted.preference = 1
),

nearest as (
    select
        carried.*,
        row_number() over (
            partition by rate_date, currency order by carried_days asc nulls last
        ) as nearness
    from carried
)

select
    rate_date,
    currency,
    rate,
    carried_days
from nearest
where nearness = 1
