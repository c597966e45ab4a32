"""Run by Alembic. The connection is handed over by `db.schema`; there is no alembic.ini."""

from alembic import context

from db.plant_tables import METADATA
from db.schema import compared_on

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
    include_object=compared_on(context.config.attributes["connection"].dialect.name),
    # SQLite does roll back DDL, once the driver's own BEGIN is out of the way (db.engine): all or nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
