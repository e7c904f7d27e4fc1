select
    load_seq,
    row_no,
    source,
    version_at,
    row_hash,
    identity_id,
    valid_from,
    email_identity_id,
    phone_identity_id,
    customer_type,
    account_id,
    region,
    city,
    gender,
    birth_year,
    {{ business_date('signed_up_at') }} as signed_up_date,
    attributes
from {{ source('raw', 'raw_customers') }}
where load_seq <= (select inputs.known_load_seq from {{ ref('stg_night__inputs') }} as inputs)
