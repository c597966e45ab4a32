"""What each kind of program may do in the plant's PostgreSQL: roles without a login, of which logins are made members.

`CREATE ROLE press_4 LOGIN PASSWORD '...' IN ROLE inspector_station` is then all that a station needs.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.partitions import MAKE_PARTITIONS

FORWARDED = (
    "stations, recipes, bundles, runs, audit_strata, images, challenge_parts, inspections, findings, label_tasks, "
    "shadow_verdicts, lots, station_acknowledgements, events, parked_rows"
)
_PERSONS = {"accounts", "sessions"}
_LOG = {"audit_log", "audit_checkpoints"}

STATION, SCREEN = "inspector_station", "inspector_screen"
TRAINER, READER, SIGNER = "inspector_trainer", "inspector_reader", "inspector_signer"

EVERYTHING = "*"
HIDDEN = {
    SCREEN: frozenset[str](),
    TRAINER: frozenset(_PERSONS),
    READER: frozenset(_PERSONS | _LOG),
}
"""Roles that read every table but these."""

GRANTS: dict[str, tuple[tuple[str, str], ...]] = {
    STATION: (
        ("SELECT", f"alembic_version, forwarding_terms, {FORWARDED}"),
        ("INSERT", FORWARDED),
        ("UPDATE (ended_at, clean)", "runs"),
        ("DELETE", "parked_rows"),
        ("EXECUTE", f"FUNCTION {MAKE_PARTITIONS}"),
    ),
    SCREEN: (
        ("SELECT", EVERYTHING),
        ("INSERT", "labels, label_tasks, audit_log, recipes, recipe_revisions, bundle_states, accounts, sessions"),
        ("INSERT", "label_leases, label_marks, lines, line_places, lots, acknowledgements, training_jobs"),
        ("INSERT", "releases, release_steps, stations"),
        ("UPDATE", "accounts, sessions, label_leases, training_jobs"),
        ("UPDATE (closed_at, closed_by)", "lots"),
        ("DELETE", "line_places"),
    ),
    TRAINER: (
        ("SELECT", EVERYTHING),
        ("INSERT", "bundles, bundle_states, label_tasks, audit_log, dataset_snapshots, training_jobs"),
        ("UPDATE", "training_jobs"),
    ),
    READER: (("SELECT", EVERYTHING),),
    SIGNER: (
        ("SELECT", "alembic_version, audit_log, audit_checkpoints"),
        ("INSERT", "audit_checkpoints"),
    ),
}


def set_up_roles(connection: Connection) -> list[str]:
    """Make the roles that are missing, and give each exactly its rights; return the roles that this login may not make.

    Tables of other schemas, and roles of other names, stay as they are.
    """
    if connection.dialect.name != "postgresql":
        return []
    missing = [role for role in GRANTS if not _exists(connection, role)]
    if missing and not _may_make_roles(connection):
        return missing
    for role in missing:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
    for role, grants in GRANTS.items():
        connection.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {role}"))
        connection.execute(text(f"REVOKE ALL ON FUNCTION {MAKE_PARTITIONS} FROM PUBLIC, {role}"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {role}"))
        for right, tables in grants:
            named = _visible(connection, role) if tables == EVERYTHING else tables
            connection.execute(text(f"GRANT {right} ON {named} TO {role}"))
    return []


def _visible(connection: Connection, role: str) -> str:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition ORDER BY relname"
    )
    return ", ".join(name for name in connection.execute(text(query)).scalars() if name not in HIDDEN[role])


def _exists(connection: Connection, role: str) -> bool:
    return connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first() is not None


def _may_make_roles(connection: Connection) -> bool:
    query = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    return bool(connection.execute(text(query)).scalar_one())
