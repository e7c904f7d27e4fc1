/*
table: night.due_deliveries
severity: warning
says: deliveries that are missing or much too small
why: >-
  A file that did not come looks like a quiet day: customers seem to buy less, and nothing says
  why.
action: >-
  Ask whoever delivers the source for the file, put it into landing/ and run the night again:
  crm-value run --date with that date. If nothing comes on that day, list it under not_on of the
  source's expected in sources.yaml; if less is normal now, lower its minimum there; or waive.
shown: [source, due_date, expected, came, missing_since, last_came]
examples: 10
*/
select source, due_date, expected, came, missing_since, last_came
from night.due_deliveries
where severity = 'warning'
    and (files_n < expected_files_n or rows_n < expected_rows_n)
