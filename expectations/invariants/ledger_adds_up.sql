/*
table: night.load_ledger
severity: error
says: loads whose rows read are not loaded + repeated + rejected
why: Rows that are neither counted nor named are lost; nobody would miss them.
action: Set the load aside and load the file again; keep the file for a report.
shown: [source, file_name]
*/
select load_seq, source, file_name, rows_read_n, rows_loaded_n, rows_repeated_n, rows_rejected_n
from night.load_ledger
where rows_read_n <> rows_loaded_n + rows_repeated_n + rows_rejected_n
