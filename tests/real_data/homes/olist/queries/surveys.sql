-- One answer for each review of each order: a review_id alone repeats.
select
    concat(reviews.review_id, '/', reviews.order_id) as response_id,
    people.customer_unique_id as customer_id,
    reviews.review_answer_timestamp as responded_at,
    'csat' as instrument,
    reviews.review_score as score,
    reviews.review_comment_message as comment
from reviews
left join orders on reviews.order_id = orders.order_id
left join people on orders.customer_id = people.customer_id
