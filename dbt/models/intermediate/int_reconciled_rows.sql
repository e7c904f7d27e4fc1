-- Rows of all kinds but orders by what became of them.
with inputs as (
    select
        as_of_date,
        {{ business_date_start(add_days('as_of_date', 1)) }} as ends_at
    from {{ ref('stg_night__inputs') }}
),

-- One row a key, whatever the number of its versions: they agree in what is asked below.
keys as (
    select
        source,
        'interactions' as kind,
        cast(null as uuid) as identity_id,
        cast(null as date) as key_date,
        count(*) as versions_n
    from {{ ref('int_contested_interactions') }}
    group by source, interaction_id
    union all
    select
        source,
        'surveys' as kind,
        cast(null as uuid) as identity_id,
        cast(null as date) as key_date,
        count(*) as versions_n
    from {{ ref('stg_raw__survey_answers') }}
    group by source, response_id, instrument
    union all
    select
        source,
        'customers' as kind,
        identity_id,
        valid_from as key_date,
        count(*) as versions_n
    from {{ ref('stg_raw__customers') }}
    group by source, identity_id, valid_from
    union all
    select
        source,
        'fx_rates' as kind,
        cast(null as uuid) as identity_id,
        rate_date as key_date,
        count(*) as versions_n
    from {{ ref('stg_raw__fx_rates') }}
    group by source, rate_date, currency
),

-- Compared by time, not by date: the zone is then asked once and not for every interaction.
current_rows as (
    select
        interactions.source,
        'interactions' as kind,
        interactions.identity_id,
        interactions.identity_id is null as is_unattributed,
        interactions.occurred_at >= inputs.ends_at as is_after_date
    from {{ ref('int_interactions_current') }} as interactions
    cross join inputs
    union all
    select
        answers.source,
        'surveys' as kind,
        answers.identity_id,
        answers.identity_id is null as is_unattributed,
        answers.responded_date > inputs.as_of_date as is_after_date
    from {{ ref('survey_answers') }} as answers
    cross join inputs
    union all
    select
        keys.source,
        keys.kind,
        keys.identity_id,
        false as is_unattributed,
        coalesce(keys.key_date > inputs.as_of_date, false) as is_after_date
    from keys
    cross join inputs
    where keys.kind in ('customers', 'fx_rates')
),

judged as (
    select
        current_rows.source,
        current_rows.kind,
        case
            when current_rows.is_after_date then 'after_date'
            when excluded.identity_id is not null then 'excluded'
            when current_rows.is_unattributed then 'unattributed'
            else 'counted'
        end as state,
        1 as rows_n
    from current_rows
    left join {{ ref('int_excluded_identities') }} as excluded
        on current_rows.identity_id = excluded.identity_id
),

found as (
    select
        source,
        kind,
        state,
        rows_n
    from judged
    union all
    select
        source,
        kind,
        'superseded' as state,
        versions_n - 1 as rows_n
    from keys
    where versions_n > 1
    union all
    select
        source,
        'campaigns' as kind,
        state,
        1 as rows_n
    from {{ ref('int_campaign_rows') }}
    {%- for kind, rows in [
        ('interactions', ref('stg_raw__interactions')),
        ('surveys', ref('stg_raw__survey_answers')),
        ('customers', ref('stg_raw__customers')),
        ('fx_rates', ref('stg_raw__fx_rates')),
        ('campaigns', ref('stg_raw__campaigns'))
    ] %}
        union all
        select
            source,
            '{{ kind }}' as kind,
            'loaded' as state,
            1 as rows_n
        from {{ rows }}
    {%- endfor %}
)

select
    source,
    kind,
    state,
    cast(sum(rows_n) as bigint) as rows_n
from found
group by source, kind, state
