"""Run by Alembic. The connection is handed over by `db.schema`; there is no alembic.ini."""

from alembic import context

from db.plant_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
    # SQLite does roll back DDL, once the driver's own BEGIN is out of the way (db.engine): all or nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
