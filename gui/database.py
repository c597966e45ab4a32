"""Which database a desktop opens, where its pictures are, and how its threads read and write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url

from db.engine import WRITES, open_engine, storage_errors
from db.images import ImageStore
from inspector.errors import DatabaseError

HERE = Path("inspector.sqlite")
DEMO = Path("var/demo/ledger.sqlite")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An open database and its pictures. Engines may be used from any thread; connections stay in one."""

    engine: Engine
    pictures: ImageStore
    name: str
    """Where it is, without a password."""
    bundles: Path
    """Where finished bundles appear; it need not be there."""

    @property
    def embedded(self) -> bool:
        """Whether it is a file beside the pictures, and no server."""
        return self.engine.dialect.name == "sqlite"


def open_source(database: str | None, pictures: Path | None = None, bundles: Path | None = None) -> Source:
    """Open what was named, else what lies here: INSPECTOR_DATABASE, inspector.sqlite, the demo's ledger.

    Raises:
        DatabaseError: none is there, or it cannot be opened.
    """
    engine = open_engine(database or os.environ.get("INSPECTOR_DATABASE") or _found())
    url = make_url(engine.url)
    beside = Path(url.database or "").parent / "images" if engine.dialect.name == "sqlite" else Path("images")
    name = url.database if engine.dialect.name == "sqlite" else url.render_as_string(hide_password=True)
    return Source(engine, ImageStore(pictures or beside), name or "", bundles or beside.parent / "bundles")


def _found() -> str:
    for path in (HERE, DEMO):
        if path.is_file():
            return str(path)
    raise DatabaseError(
        f"no database here: neither {HERE} nor the demo's {DEMO}; run `inspector demo` to make the demo's, "
        "or name one with --database"
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    with storage_errors(engine.url), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: all of it or nothing."""
    with storage_errors(engine.url), engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection
