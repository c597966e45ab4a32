"""The history of the schema. `HEAD` is its newest revision, here so that a station need not load Alembic to compare."""

HEAD = "0015"
