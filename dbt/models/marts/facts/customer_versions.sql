-- A source may say "always known" (no date); it holds until a dated record begins. Where two
-- sources date one record alike, the first by name is believed.
with ranked as (
    select
        customers.*,
        {{ newest_first(['source', 'identity_id', 'valid_from']) }} as newness
    from {{ ref('stg_raw__customers') }} as customers
),

current_records as (
    select
        ranked.*,
        row_number() over (
            partition by identity_id, valid_from order by source asc nulls last
        ) as preference
    from ranked
    where newness = 1
),

numbered as (
    select
        current_records.*,
        row_number() over (
            partition by identity_id order by valid_from asc nulls first
        ) as version_no
    from current_records
    where preference = 1
)

select
    identity_id,
    valid_from,
    version_no = 1 as is_first,
    source,
    customer_type,
    account_id,
    region,
    city,
    gender,
    birth_year,
    signed_up_date,
    attributes
from numbered
