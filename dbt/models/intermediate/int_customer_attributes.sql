-- The newest record of the customer's identities that holds on D; before the first, the oldest
-- known. Of equal dates the smallest identity's.
with records as (
    select
        identities.customer_key,
        versions.*,
        versions.valid_from is null or versions.valid_from <= inputs.as_of_date as holds,
        -- Known at all times is known on D.
        case
            when versions.valid_from is null or versions.valid_from <= inputs.as_of_date
                then coalesce(versions.valid_from, inputs.as_of_date)
        end as stated_date
    from {{ ref('customer_versions') }} as versions
    inner join {{ ref('customer_identities') }} as identities
        on versions.identity_id = identities.identity_id
    cross join {{ ref('stg_night__inputs') }} as inputs
),

ranked as (
    select
        records.*,
        row_number() over (
            partition by customer_key
            order by
                case when holds then 0 else 1 end asc nulls last,
                case when holds then valid_from end desc nulls last,
                valid_from asc nulls last,
                identity_id asc nulls last
        ) as preference
    from records
)

select
    customer_key,
    stated_date,
    customer_type,
    account_id,
    region,
    city,
    gender,
    birth_year,
    signed_up_date,
    attributes
from ranked
where preference = 1
