"""The page of `inspector bench`."""
