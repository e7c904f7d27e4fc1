/*
table: crm.campaigns
severity: error
says: campaigns whose rows do not add up
why: A customer who falls out of a campaign without a word makes its result another.
action: Look at the states in dbt/models/intermediate/int_campaign_rows.sql.
shown: [rows_n, treated_n, control_n]
*/
select
    campaign_id, source, rows_n, treated_n, control_n, repeated_rows_n, both_groups_rows_n,
    unknown_customer_rows_n, excluded_rows_n, after_date_rows_n
from crm.campaigns
where rows_n <> treated_n + control_n + repeated_rows_n + both_groups_rows_n
    + unknown_customer_rows_n + excluded_rows_n + after_date_rows_n
