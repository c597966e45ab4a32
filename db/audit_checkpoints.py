"""Checkpoints of the audit log in the database, and their copies outside: the heads, one JSON document a line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from db.audit_keys import PrivateKey, PublicKey
from db.audit_log import canonical, entries
from db.audit_proof import Checkpoint, Examination, examine, sign
from db.plant_tables import AUDIT_CHECKPOINTS
from inspector.errors import DatabaseError, UserError


def checkpoints(connection: Connection) -> list[Checkpoint]:
    query = select(AUDIT_CHECKPOINTS).order_by(AUDIT_CHECKPOINTS.c.number)
    return [Checkpoint(*row) for row in connection.execute(query)]


def sign_log(connection: Connection, key: PrivateKey, at: datetime) -> list[Checkpoint]:
    """Sign what came since the last checkpoint, in the transaction of the caller; return what was signed.

    Raises:
        DatabaseError: the log is not as it was written. It is not signed then.
    """
    there = checkpoints(connection)
    found = examine(entries(connection), there, key=key.public)
    if found.finding is not None:
        raise DatabaseError(f"audit log not signed: {found.finding.text()}")
    last = there[-1] if there else None
    made = sign(list(entries(connection, last.last if last else 0)), last, key, at.astimezone(UTC))
    if made:
        connection.execute(insert(AUDIT_CHECKPOINTS), [asdict(each) for each in made])
    return made


def examine_log(connection: Connection, key: PublicKey | None, heads: Path | None = None) -> Examination:
    """Examine the log of a database."""
    outside = read_heads(heads) if heads else []
    return examine(entries(connection), checkpoints(connection), outside, key)


def keep_heads(path: Path, there: list[Checkpoint]) -> int:
    """Append the checkpoints that the file lacks, and return their number. A crash before leaves them to the next call.

    Raises:
        UserError: the file cannot be written, or holds something else.
    """
    kept = len(read_heads(path)) if path.exists() else 0
    lines = [canonical(asdict(each) | {"at": each.at.isoformat()}) + "\n" for each in there[kept:]]
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise UserError(f"{path}: heads cannot be written ({error.strerror})") from error
    return len(lines)


def read_heads(path: Path) -> list[Checkpoint]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        documents = [json.loads(line) for line in lines if line.strip()]
        heads = [Checkpoint(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in documents]
    except OSError as error:
        raise UserError(f"{path}: heads cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: expected one checkpoint a line, as `inspector db sign-audit` writes them") from error
    if any(
        type(value) is not type(model) for head in heads for value, model in zip(astuple(head), _MODEL, strict=True)
    ):
        raise UserError(f"{path}: expected one checkpoint a line, as `inspector db sign-audit` writes them")
    return heads


_MODEL = (0, 0, 0, "", datetime(1970, 1, 1, tzinfo=UTC), "", "", "")
