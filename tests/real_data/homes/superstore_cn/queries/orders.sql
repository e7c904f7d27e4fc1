-- The sales amount of a line is after its discount, for all its units.
-- The shop uses a number for orders of several customers, days, cities and deliveries: an order is
-- a number with its customer and day. The sheet of returns has the number alone, so all orders of
-- that number came back, each as a whole; the day is not stated.
select
    lines."订单 ID" || '-' || lines."客户 ID" || '-' || lines."订单日期" as order_id,
    lines."行 ID" as line_id,
    lines."客户 ID" as customer_id,
    lines."订单日期" as ordered_at,
    case when returns."订单 ID" is null then 'completed' else 'refunded' end as status,
    1 as quantity,
    lines."销售额" as unit_price,
    lines."产品 ID" as product_id,
    lines."类别" as product_category
from lines
left join (select distinct "订单 ID" from returns where "退回" = '是') as returns
    on lines."订单 ID" = returns."订单 ID"
