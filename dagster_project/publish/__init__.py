"""From an approved candidate to the warehouse that BI reads; status."""
