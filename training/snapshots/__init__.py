"""Labels as of a moment (`db.material`), frozen into a data set: same database, same moment, same content."""
