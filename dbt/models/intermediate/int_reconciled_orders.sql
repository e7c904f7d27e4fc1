-- Lines and money of orders by what became of them. Loaded, superseded and current are counted
-- in three different places, so that a line lost on the way breaks the law. Lines of an order in
-- two currencies are counted under the currency the order is held with. The lines of one order may
-- become different things: sold, taken back at another date, left out by a rule.
with mixed as (
    select
        source,
        order_id,
        currency
    from {{ ref('order_facts') }}
    where held_reason = 'mixed_currency'
),

loaded as (
    select
        lines.source,
        'loaded' as state,
        coalesce(mixed.currency, lines.currency) as currency,
        count(*) as lines_n,
        sum({{ money_multiply('lines.quantity', 'lines.unit_price', 'lines.discount') }}) as amount
    from {{ ref('stg_raw__order_lines') }} as lines
    left join mixed
        on
            lines.source = mixed.source
            and lines.order_id = mixed.order_id
    group by lines.source, coalesce(mixed.currency, lines.currency)
),

contested as (
    select
        lines.*,
        resolved.row_no is null as is_superseded
    from {{ ref('int_contested_order_lines') }} as lines
    left join {{ ref('int_resolved_order_lines') }} as resolved
        on
            lines.source = resolved.source
            and lines.order_id = resolved.order_id
            and lines.load_seq = resolved.load_seq
            and lines.row_no = resolved.row_no
),

superseded as (
    select
        lines.source,
        'superseded' as state,
        coalesce(mixed.currency, lines.currency) as currency,
        count(*) as lines_n,
        sum({{ money_multiply('lines.quantity', 'lines.unit_price', 'lines.discount') }}) as amount
    from contested as lines
    left join mixed
        on
            lines.source = mixed.source
            and lines.order_id = mixed.order_id
    where lines.is_superseded
    group by lines.source, coalesce(mixed.currency, lines.currency)
),

parts as (
    select
        source,
        ordered_date as part_date,
        identity_id,
        currency,
        held_reason,
        excluded_reason,
        lines_n - returned_lines_n - left_out_lines_n as lines_n,
        sale_amount_original as amount
    from {{ ref('order_facts') }}
    union all
    select
        source,
        ordered_date as part_date,
        identity_id,
        currency,
        held_reason,
        'left_out' as excluded_reason,
        left_out_lines_n as lines_n,
        left_out_amount_original as amount
    from {{ ref('order_facts') }}
    where left_out_lines_n > 0
    union all
    select
        source,
        event_date as part_date,
        identity_id,
        currency,
        held_reason,
        excluded_reason,
        lines_n,
        amount_original as amount
    from {{ ref('int_order_returns') }}
),

judged as (
    select
        parts.source,
        case
            when parts.part_date > inputs.as_of_date then 'after_date'
            when parts.excluded_reason is not null then 'excluded'
            when excluded.identity_id is not null then 'excluded'
            when parts.held_reason is not null then 'held'
            when parts.identity_id is null then 'unattributed'
            else 'counted'
        end as state,
        parts.currency,
        parts.lines_n,
        parts.amount
    from parts
    cross join {{ ref('stg_night__inputs') }} as inputs
    left join {{ ref('int_excluded_identities') }} as excluded
        on parts.identity_id = excluded.identity_id
)

select
    source,
    state,
    currency,
    lines_n,
    amount
from loaded
union all
select
    source,
    state,
    currency,
    lines_n,
    amount
from superseded
union all
select
    source,
    state,
    currency,
    sum(lines_n) as lines_n,
    sum(amount) as amount
from judged
group by source, state, currency
