"""How an approved bundle reaches the line: pure decisions. `db.release` takes the steps."""
