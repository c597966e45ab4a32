"""Training jobs at work: one process that holds the lease, and one that trains and dies with it."""
