/*
table: night.customer_score_history
severity: error
says: customers whose chance to be alive in history is not that of tonight
why: The chance of tonight is judged by it in three months.
action: Stage the candidate anew from one night's build.
shown: [p_alive, history_p_alive]
*/
-- Only when tonight's publication is the current one: an older date has no current tables.
select
    history.customer_key,
    expected.p_alive,
    history.p_alive as history_p_alive
from night.customer_score_history as history
left join crm.customer_lifetime_values as expected
    on history.customer_key = expected.customer_key
cross join night.publication as publication
where publication.is_current and history.p_alive is distinct from expected.p_alive
