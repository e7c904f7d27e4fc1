/*
table: crm.label_history
severity: error
says: spans of a label end before they begin
why: A span with a turned end is found on no date.
action: Stage the candidate anew from the last publication; look at engine/label_records.py.
shown: [label_kind, label, from_date, to_date]
*/
select customer_key, label_kind, label, from_date, to_date
from crm.label_history
where to_date < from_date
