/*
table: night.text_values
severity: error
says: different texts look like an e-mail address or telephone number
why: The publication is read by many; people are in it by key alone.
action: >-
  Declare the id or column as personal in sources.yaml; if numbers of this column only look like
  telephone numbers, list the column as permitted.
shown: [table_name, column_name]
*/
select texts.table_name, texts.column_name, texts.value
from night.text_values as texts
left join night.permitted_texts as permitted
    on texts.table_name = permitted.table_name and texts.column_name = permitted.column_name
where looks_like_email(texts.value)
    or (permitted.table_name is null and looks_like_phone(texts.value))
