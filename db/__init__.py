"""Tables, queries and the ledger: rows <-> values."""
