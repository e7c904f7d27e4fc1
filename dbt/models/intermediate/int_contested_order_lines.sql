-- Few orders have a second version. Only these are ranked; all others pass as they are, which
-- is several times cheaper than ranking every line. Two prints may collide: then an order is
-- ranked without need.
with lines as (
    select
        source,
        order_id,
        line_key,
        load_seq,
        version_at,
        {{ print_of(['source', 'order_id']) }} as document_print,
        {{ print_of(['source', 'order_id', 'line_key']) }} as line_print
    from {{ ref('stg_raw__order_lines') }}
),

documents as (
    select document_print
    from lines
    group by document_print
    having
        min(load_seq) <> max(load_seq)
        or min(version_at) <> max(version_at)
        or (count(version_at) > 0 and count(version_at) < count(*))
),

repeated_lines as (
    select document_print
    from lines
    group by document_print, line_print
    having count(*) > 1
),

contested as (
    select documents.document_print from documents
    union distinct
    select repeated_lines.document_print from repeated_lines
)

select
    lines.*,
    {{ print_of(['lines.source', 'lines.order_id']) }} as document_print
from {{ ref('stg_raw__order_lines') }} as lines
where
    {{ print_of(['lines.source', 'lines.order_id']) }} in (
        select contested.document_print from contested
    )
