"""Charts: what is shown is a value, painting it is a function, and a widget lets keys and mouse choose its points."""
