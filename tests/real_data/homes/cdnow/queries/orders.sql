-- All rows of a customer and a day are one order; rows have no ids. The file is one column of
-- text that is named after all of them.
select
    concat(cells[1], '-', cells[2]) as order_id,
    cells[1] as customer_id,
    strptime(concat(cells[2], ' 12'), '%Y%m%d %H') as ordered_at,
    cells[4] as unit_price
from (
    select regexp_split_to_array(trim(columns('customer_id.*')), '\s+') as cells
    from purchases
)
