-- A line is worth the list price of its product in US dollars; the currency the customer paid in
-- is kept as the channel.
with prices as (
    select
        "ProductKey" as product_id,
        "Category" as product_category,
        cast(replace(replace(trim("Unit Price USD"), '$', ''), ',', '') as decimal(18, 4))
            as unit_price,
        cast(replace(replace(trim("Unit Cost USD"), '$', ''), ',', '') as decimal(18, 4))
            as unit_cost
    from products
)

select
    sales."Order Number" as order_id,
    sales."Line Item" as line_id,
    sales."CustomerKey" as customer_id,
    strptime(sales."Order Date", '%-m/%-d/%Y') as ordered_at,
    sales."Quantity" as quantity,
    prices.unit_price,
    prices.unit_cost * cast(sales."Quantity" as integer) as cost,
    'USD' as currency,
    prices.product_id,
    prices.product_category,
    sales."Currency Code" as channel
from sales
left join prices on sales."ProductKey" = prices.product_id
