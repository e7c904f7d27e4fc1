-- The unit is the document: every line of an order comes from its newest version, and a line
-- that is gone is gone. Without versions (arrival) the unit is the line.
with documents as (
    select
        source,
        order_id,
        max(version_at) as newest_version_at
    from {{ ref('int_contested_order_lines') }}
    group by source, order_id
),

candidates as (
    select lines.*
    from {{ ref('int_contested_order_lines') }} as lines
    inner join documents
        on
            lines.source = documents.source
            and lines.order_id = documents.order_id
    where
        documents.newest_version_at is null
        or lines.version_at = documents.newest_version_at
),

ranked as (
    select
        candidates.*,
        {{ newest_first(['source', 'order_id', 'line_key']) }} as newness
    from candidates
)

select *
from ranked
where newness = 1
