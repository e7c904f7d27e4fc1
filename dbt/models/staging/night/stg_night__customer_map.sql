select
    identity_id,
    customer_key
from {{ source('night', 'customer_map') }}
