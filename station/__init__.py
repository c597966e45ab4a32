"""The camera station: a line process that accounts for every part and a vision process that looks."""
