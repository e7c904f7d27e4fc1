"""From raw rows to one row of facts a customer: identities, night inputs, dbt."""
