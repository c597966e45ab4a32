"""Recipes: an editor made from their schema, tried on recorded parts, saved as a revision with its reason."""
