/*
table: crm.score_curves
severity: error
says: scores that a customer reaches with less than a lower score takes
why: >-
  More of a good thing never lowers a score, so a table that says otherwise is not the inverse of
  what scored the customers.
action: Look at scoring/score_curves.py and at the curve in scoring_reference.
shown: [indicator, profile, score]
*/
with signed as (
    select
        indicator, profile, score,
        case when relation in ('at_most', 'less_than') then -fact else fact end as needed
    from crm.score_curves
    where relation in ('at_least', 'more_than', 'at_most', 'less_than')
)

select lower_score.indicator, lower_score.profile, lower_score.score
from signed as lower_score
inner join signed as higher_score
    on lower_score.indicator = higher_score.indicator
    and lower_score.profile = higher_score.profile
    and lower_score.score < higher_score.score
where higher_score.needed < lower_score.needed
