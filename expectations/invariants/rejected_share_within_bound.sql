/*
table: night.load_ledger
severity: error
says: sources with too large a share of rejected rows tonight
why: A few bad rows are set aside; many mean that the file has another layout.
action: >-
  See them with crm-value rejected. Correct sources.yaml if the file is read wrongly; else write
  the rows out with crm-value rejected --write DIR, mend them, take them back with crm-value
  repair FILE, and run the night again. If the rows really are bad, state a larger
  maximum_rejected_share for the source in sources.yaml, or waive.
shown: [source, most_in_file]
*/
-- Rows that a rule leaves out are no facts, and a repaired row has been read twice.
with still_rejected as (
    select rejected.source, rejected.file_name, count(*) as rows_n
    from night.rejected_rows as rejected
    left join night.repaired_rows as repaired
        on rejected.load_seq = repaired.rejected_load_seq
        and rejected.row_no = repaired.rejected_row_no
    where rejected.reason <> 'left_out' and repaired.load_seq is null
    group by rejected.source, rejected.file_name
),

rejected_by_source as (
    select source, sum(rows_n) as rejected_n
    from still_rejected
    group by source
),

most_by_source as (
    select source, max(rows_n) as rows_n
    from still_rejected
    group by source
),

files_by_source as (
    select still_rejected.source, min(still_rejected.file_name) as file_name
    from still_rejected
    inner join most_by_source
        on still_rejected.source = most_by_source.source
        and still_rejected.rows_n = most_by_source.rows_n
    group by still_rejected.source
),

no_facts as (
    select rejected.source, count(*) as rows_n
    from night.rejected_rows as rejected
    left join night.repaired_rows as repaired
        on rejected.load_seq = repaired.rejected_load_seq
        and rejected.row_no = repaired.rejected_row_no
    where rejected.reason = 'left_out' or repaired.load_seq is not null
    group by rejected.source
),

read_by_source as (
    select source, sum(rows_read_n) as rows_n
    from night.load_ledger
    group by source
),

shares as (
    select
        rejected.source,
        rejected.rejected_n,
        read_rows.rows_n - coalesce(no_facts.rows_n, 0) as read_n,
        coalesce(own.rejected_share, bounds.rejected_share) as bound,
        bounds.rejected_rows_tolerated
    from rejected_by_source as rejected
    inner join read_by_source as read_rows on rejected.source = read_rows.source
    left join no_facts on rejected.source = no_facts.source
    left join night.source_bounds as own on rejected.source = own.source
    cross join night.bounds as bounds
)

select
    shares.source,
    shares.rejected_n,
    shares.read_n,
    cast(shares.rejected_n as decimal(18, 4)) / shares.read_n as share,
    shares.bound,
    files.file_name as most_in_file
from shares
inner join files_by_source as files on shares.source = files.source
where shares.rejected_n > shares.bound * shares.read_n
    and shares.rejected_n > shares.rejected_rows_tolerated
