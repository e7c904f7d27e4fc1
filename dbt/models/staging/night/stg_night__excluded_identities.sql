select
    identity_id,
    rule
from {{ source('night', 'excluded_identities') }}
