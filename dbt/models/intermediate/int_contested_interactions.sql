-- See int_contested_order_lines: only what comes twice is ranked.
with repeated as (
    select {{ print_of(['source', 'interaction_id']) }} as interaction_print
    from {{ ref('stg_raw__interactions') }}
    group by {{ print_of(['source', 'interaction_id']) }}
    having count(*) > 1
)

select
    interactions.*,
    {{ print_of(['interactions.source', 'interactions.interaction_id']) }} as interaction_print
from {{ ref('stg_raw__interactions') }} as interactions
where
    {{ print_of(['interactions.source', 'interactions.interaction_id']) }} in (
        select repeated.interaction_print from repeated
    )
