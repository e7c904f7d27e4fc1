select
    half_life_days,
    age_days,
    weight_millionths
from {{ source('night', 'decay_weights') }}
