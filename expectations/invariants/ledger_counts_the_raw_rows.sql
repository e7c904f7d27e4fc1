/*
table: night.load_ledger
severity: error
says: loads whose rows in raw are not those the ledger states
why: >-
  The ledger row commits a load; rows that went missing after it would be missed by nobody.
action: Rebuild raw from the landing files.
shown: [source, file_name]
*/
with found as (
    select load_seq, count(*) as rows_n from night.raw_order_lines group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_refunds group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_interactions group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_survey_answers group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_customers group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_fx_rates group by load_seq
    union all
    select load_seq, count(*) as rows_n from night.raw_campaigns group by load_seq
),

found_by_load as (
    select load_seq, sum(rows_n) as rows_n
    from found
    group by load_seq
)

select
    coalesce(ledger.load_seq, found_by_load.load_seq) as load_seq,
    ledger.source,
    ledger.file_name,
    ledger.rows_loaded_n,
    found_by_load.rows_n
from night.load_ledger as ledger
full outer join found_by_load on ledger.load_seq = found_by_load.load_seq
where coalesce(ledger.rows_loaded_n, -1) <> coalesce(found_by_load.rows_n, 0)
