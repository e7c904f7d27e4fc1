-- The newest version of a record says which ids it lists. Only records of those that ever listed
-- one are ranked.
with ranked as (
    select
        customers.load_seq,
        customers.row_no,
        customers.identity_id,
        customers.valid_from,
        {{ newest_first(['source', 'identity_id', 'valid_from']) }} as newness
    from {{ ref('stg_raw__customers') }} as customers
    where
        customers.identity_id in (
            select ids.identity_id from {{ ref('stg_raw__customer_ids') }} as ids
        )
)

select distinct
    ranked.identity_id,
    ranked.valid_from,
    ids.listed_identity_id
from ranked
inner join {{ ref('stg_raw__customer_ids') }} as ids
    on
        ranked.load_seq = ids.load_seq
        and ranked.row_no = ids.row_no
where
    ranked.newness = 1
    and ranked.identity_id <> ids.listed_identity_id
