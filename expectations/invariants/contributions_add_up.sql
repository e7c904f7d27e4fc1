/*
table: crm.customer_scores
severity: error
says: composites are not the sum of their contributions
why: People are shown why a score is what it is; the reasons must add up to it, exactly.
action: Look at the rounding of that composite's contributions in the scoring step.
shown: [composite]
for_each: composite
*/
select customer_key, '{composite}' as composite, {composite} as score
from crm.customer_scores
where {composite} is not null
    and cast(round({composite} * 10000) as bigint) <> {contributions}
