select
    load_seq,
    source,
    kind,
    rows_read_n,
    rows_loaded_n,
    rows_repeated_n,
    rows_rejected_n
from {{ source('raw', 'load_ledger') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
