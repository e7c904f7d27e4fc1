/*
table: crm.score_backtest
severity: error
says: parts of the score backtest that do not add up to all
why: Each customer has one tier of then; who is missing from the parts makes them look better.
action: Look at the parts in feedback/backtest.py.
shown: [part_kind, figure, all_n, parts_n]
*/
-- Everybody has a tier. Who has a CRM value is in a tenth, and is counted by the correlations too.
with totals as (
    select
        'tier' as part_kind,
        figure,
        n
    from crm.score_backtest
    where part_kind = 'all'
        and figure in ('mean_margin', 'retention')
    union all
    select
        'crm_value_decile' as part_kind,
        case figure when 'rank_correlation_margin' then 'mean_margin' else 'retention' end
            as figure,
        n
    from crm.score_backtest
    where part_kind = 'all'
        and figure in ('rank_correlation_margin', 'rank_correlation_retention')
)

select
    totals.part_kind,
    totals.figure,
    totals.n as all_n,
    coalesce(sum(parts.n), 0) as parts_n
from totals
left join crm.score_backtest as parts
    on totals.part_kind = parts.part_kind
        and totals.figure = parts.figure
group by totals.part_kind, totals.figure, totals.n
having coalesce(sum(parts.n), 0) <> totals.n
