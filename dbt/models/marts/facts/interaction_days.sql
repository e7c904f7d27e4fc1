select
    identity_id,
    business_date,
    type,
    channel,
    count(*) as n,
    count(cost) as costed_n,
    cast(sum(coalesce(duration_seconds, 0)) as bigint) as duration_seconds,
    cast(sum(coalesce({{ in_parts('completion', 1000000) }}, 0)) as bigint)
        as completion_millionths,
    cast(sum(coalesce(cost, 0)) as decimal(38, 4)) as cost_amount
from {{ ref('int_interactions_current') }}
where identity_id is not null
group by identity_id, business_date, type, channel
