"""Detection: an anchor-free detector with a feature pyramid, with or without a golden template as second input."""
