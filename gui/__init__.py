"""The operator's desktop. Nothing here yet: it follows the station, the database and the learning loop."""
