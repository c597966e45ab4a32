"""Figures: what the parts on record say, each with its count and bound, and the parts behind each point."""
