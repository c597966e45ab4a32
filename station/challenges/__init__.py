"""Parts of known truth on the line: when they are due, what is made of them, and a line that is held for them."""
