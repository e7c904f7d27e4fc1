/*
table: crm.campaign_results
severity: error
says: results that show what two groups do not support, or an uplift that is not their difference
why: An uplift without a control group, or of a handful, is taken for proof as soon as it is seen.
action: Look at the statuses in feedback/campaigns.py.
shown: [figure, status, treated_n, control_n]
*/
select
    campaign_id, figure, status, quadrant, treated_n, control_n, treated_value, control_value,
    uplift, low, high
from crm.campaign_results
where (status in ('ok', 'few')) <> (uplift is not null)
    or (uplift is null) <> (low is null or high is null or standard_error is null)
    or (status = 'suppressed' and (treated_value is not null or control_value is not null))
    or (status = 'no_control_group' and (control_n > 0 or control_value is not null))
    or (status = 'no_treated_group' and (treated_n > 0 or treated_value is not null))
    or abs(uplift - (treated_value - control_value)) > 0.000002
    or uplift not between low and high
    or standard_error < 0
    or (
        figure in ('response', 'repurchase')
        and (treated_value not between 0 and 1 or control_value not between 0 and 1)
    )
