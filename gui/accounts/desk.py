"""What the accounts screen asks of the database. Everything here runs on a worker's thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from db import accounts
from db.accounts import Account, By, Permission, Role, add_account, all_accounts
from db.audit_checkpoints import examine_log
from db.audit_keys import read_public
from db.audit_log import Entry, Sought, search
from db.audit_proof import Examination
from db.records import utc_now
from db.sessions import OpenSession, Session, end_sessions, open_sessions, touch
from gui.database import Source, reading, writing
from inspector.errors import AccessRefused, DatabaseError, UserError

PAGE = 200
"""Rows of the log that are read at once."""


@dataclass(frozen=True, slots=True)
class People:
    """Every account, and who is signed in."""

    accounts: tuple[Account, ...]
    sessions: tuple[OpenSession, ...]

    def of(self, name: str) -> tuple[OpenSession, ...]:
        return tuple(session for session in self.sessions if session.name == name)


class Act(Enum):
    """What is done to an account."""

    MAKE = "make"
    ROLE = "role"
    PASSWORD = "password"
    DISABLE = "disable"
    ENABLE = "enable"
    END_SESSIONS = "end sessions"


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change with its reason. `role` and `password` count where the act needs them."""

    act: Act
    name: str
    reason: str
    role: Role = Role.OPERATOR
    password: str = field(default="", repr=False)
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of the log: by whom, with which words, how far back (None: all)."""

    person: str = ""
    words: str = ""
    back: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of the log, newest first."""

    entries: tuple[Entry, ...]
    more: bool
    """Whether there may be older ones."""


class AccountsDesk(Protocol):
    """The questions of the controller. Each raises AccessRefused where the session is over or may not ask."""

    def people(self, session: Session) -> People: ...

    def change(self, session: Session, change: AccountChange) -> None:
        """Raise UserError where the change is refused."""
        ...

    def log(self, session: Session, asked: Asked, before: int | None) -> Page: ...

    def examine(self, session: Session, key: str, heads: str) -> Examination:
        """Examine the whole log, its signatures with a public key in a file, its end by heads kept outside."""
        ...


class DatabaseAccounts:
    """An `AccountsDesk` on a database."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def people(self, session: Session) -> People:
        with self._asking(session, Permission.ACCOUNTS) as connection:
            return People(tuple(all_accounts(connection)), tuple(open_sessions(connection, utc_now())))

    def change(self, session: Session, change: AccountChange) -> None:
        with self._asking(session, Permission.ACCOUNTS) as connection:
            try:
                _carry_out(connection, change, By(session.account.name, change.reason.strip()))
            except AccessRefused as error:  # of the change and not of the session, which would lock the window
                raise UserError(str(error)) from error

    def log(self, session: Session, asked: Asked, before: int | None) -> Page:
        since = None if asked.back is None else utc_now() - asked.back
        sought = Sought(asked.person.strip(), asked.words.strip(), since)
        with self._asking(session, Permission.AUDIT) as connection:
            found = search(connection, sought, PAGE, before)
        return Page(tuple(found), len(found) == PAGE)

    def examine(self, session: Session, key: str, heads: str) -> Examination:
        if heads and not key:
            raise DatabaseError("heads: they need the public key, which proves that they are what was signed")
        public = read_public(Path(key)) if key else None
        with self._asking(session, Permission.AUDIT):
            pass  # the session is asked first; reading the whole log holds up no writer
        with reading(self._source.engine) as connection:
            return examine_log(connection, public, Path(heads) if heads else None)

    @contextmanager
    def _asking(self, session: Session, permission: Permission) -> Iterator[Connection]:
        with writing(self._source.engine) as connection:
            touch(connection, session.token).require(permission)
            yield connection


def _carry_out(connection: Connection, change: AccountChange, by: By) -> None:
    name = change.name.strip()
    if change.act is Act.MAKE:
        add_account(connection, name, change.role, change.password, by, change.full_name.strip())
    elif change.act is Act.ROLE:
        accounts.set_role(connection, name, change.role, by)
    elif change.act is Act.PASSWORD:
        accounts.set_password(connection, name, change.password, by)
        end_sessions(connection, name, by)
    elif change.act is Act.DISABLE:
        accounts.disable(connection, name, by)
    elif change.act is Act.ENABLE:
        accounts.enable(connection, name, by)
    else:
        end_sessions(connection, name, by)
