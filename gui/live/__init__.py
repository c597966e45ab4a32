"""Live: what the stations do now."""
