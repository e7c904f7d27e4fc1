"""From exports to raw rows, vault, rejected rows and ledger."""
