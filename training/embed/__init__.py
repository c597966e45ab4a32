"""Embedding: a network whose outputs are alike for parts of one variant, also of variants that it never saw."""
