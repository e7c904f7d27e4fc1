/*
table: night.raw_survey_answers
severity: error
says: answers outside the scale of their question
why: An answer off its scale gives a score below 0 or over 100.
action: State scale_min and scale_max of the instrument in sources.yaml.
shown: [source]
*/
select load_seq, row_no, source, score, scale_min, scale_max
from night.raw_survey_answers
where score < scale_min or score > scale_max or scale_min >= scale_max
