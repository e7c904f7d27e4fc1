-- The file has units of the currency for one dollar; a rate is dollars for one unit.
select
    cast(strptime("Date", '%-m/%-d/%Y') as date) as date,
    "Currency Code" as currency,
    cast(1 / cast("Exchange" as double) as decimal(18, 8)) as rate
from exchange
where "Currency Code" <> 'USD'
