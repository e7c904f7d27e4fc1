{{ config(severity='warn') }}

-- A row or an amount that went astray on its way through the models. A warning here: the gate
-- stops the night for it, in words, and can be overruled with a reason.
select *
from {{ ref('reconciliation') }}
where
    loaded <> superseded + current
    or current <> counted + unattributed + excluded + held + after_date
    or (measure = 'rows' and read <> loaded + repeated + rejected)
