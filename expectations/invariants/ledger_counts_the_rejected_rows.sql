/*
table: night.load_ledger
severity: error
says: loads whose rejected rows are not those the ledger states
why: A rejected row without its reason cannot be mended by whoever made the file.
action: Rebuild raw from the landing files.
shown: [source, file_name]
*/
with found as (
    select load_seq, count(*) as rows_n
    from night.rejected_rows
    group by load_seq
)

select ledger.load_seq, ledger.source, ledger.file_name, ledger.rows_rejected_n, found.rows_n
from night.load_ledger as ledger
left join found on ledger.load_seq = found.load_seq
where ledger.rows_rejected_n <> coalesce(found.rows_n, 0)
