"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine


def as_utc(value: datetime) -> datetime:
    """The same moment in UTC; raise ValueError for a naive one."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; expected a timezone-aware moment")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


class UtcMoment(TypeDecorator[datetime]):
    """A timezone-aware moment, kept in UTC to the microsecond.

    PostgreSQL has a type for it; SQLite stores text without a zone, which sorts by time and which its own date
    functions read. A naive datetime is refused: nobody knows which moment it means.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = as_utc(value)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Key(TypeDecorator[UUID]):
    """A UUID: PostgreSQL's own type, 16 bytes on SQLite.

    Bytes and not text on SQLite, since keys stand in the primary keys, in foreign keys and in every index entry: text
    would be 36 bytes against 16. Bytes of a version 7 UUID compare in the order of time, so inserts go to the right
    edge of each index. By hand: `select hex(part_id) ...` and `where part_id = x'...'`.
    """

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[UUID] | TypeEngine[bytes]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid())
        return dialect.type_descriptor(LargeBinary(16))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> UUID | bytes | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.bytes

    def process_result_value(self, value: UUID | bytes | None, dialect: Dialect) -> UUID | None:
        return UUID(bytes=value) if isinstance(value, bytes) else value


Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON value; Python's None is SQL's NULL."""

BigCount = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both: SQLite's INTEGER holds as many as it needs."""
