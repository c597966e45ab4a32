"""The synthetic line: rendered machined parts of known truth, and what the demo makes of them."""
