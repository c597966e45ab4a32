"""`inspector report`: what the records say, for persons and for programs."""
