"""Labels as of a moment, frozen into a data set: same database, same moment, same content."""
