-- One row for each person, with the address of the first of their orders in the file.
select
    customer_unique_id as customer_id,
    customer_city as city,
    customer_state as region
from (
    select
        people.*,
        row_number() over (partition by customer_unique_id order by file_row_no) as position
    from people
)
where position = 1
