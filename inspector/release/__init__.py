"""How an approved bundle reaches the line: shadow, comparison, watch, fleet. Pure decisions; `db.release` takes the steps."""
