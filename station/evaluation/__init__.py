"""The report of `inspector evaluate`, for people. Named by an entry point, since the core plots nothing."""
