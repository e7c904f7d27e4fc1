/*
table: night.raw_interactions
severity: error
says: rows of a file stand in raw more than once
why: A row of a file that is loaded twice counts as two interactions.
action: Rebuild raw from the landing files; keep the files for a report.
*/
-- Not an expectation: over SQL that joins the table with itself, three times as slow.
select load_seq, row_no, count(*) as rows_n
from night.raw_interactions
group by load_seq, row_no
having count(*) > 1
