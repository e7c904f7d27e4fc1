/*
table: crm.customer_scores
severity: error
says: composites are not the sum of their rows in score_contributions
why: >-
  score_contributions is what people read; it must say what customer_scores says. A thousand
  customers show it, since it is a view of the same columns.
action: >-
  Look at the view score_contributions: a part is missing there or stands twice.
shown: [composite]
for_each: composite
*/
with sample as (
    select customer_key, {composite} as score
    from crm.customer_scores
    where {composite} is not null
    order by customer_key
    limit 1000
),

shown as (
    select
        contributions.customer_key,
        sum(cast(round(contributions.contribution * 10000) as bigint)) as score
    from crm.score_contributions as contributions
    inner join sample on contributions.customer_key = sample.customer_key
    where contributions.composite = '{composite}'
    group by contributions.customer_key
)

select sample.customer_key, '{composite}' as composite, sample.score
from sample
left join shown on sample.customer_key = shown.customer_key
where cast(round(sample.score * 10000) as bigint) <> coalesce(shown.score, -1)
