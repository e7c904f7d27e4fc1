select
    source,
    file_name,
    load_seq,
    rows_read_n
from {{ source('raw', 'repeated_files') }}
where delivery_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
