"""Models: bundles with their proofs, two of them on the same parts, what serves where, and trainings."""
