"""Stations: how each one does, what it reported, what is wanted of it."""
