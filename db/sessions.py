"""Persons at screens: signed in with a password, followed by a token, out after a while without a touch."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select, update

from db.accounts import Account, By, Role, find_account, sign_in
from db.audit_log import Change, record_change
from db.engine import WRITES, storage_errors
from db.plant_tables import ACCOUNTS, SESSIONS
from db.records import storable, utc_now
from inspector.errors import AccessRefused
from inspector.ids import new_id

LONGEST = timedelta(hours=12)
IDLE = {
    Role.OPERATOR: timedelta(minutes=30),
    Role.ENGINEER: timedelta(minutes=15),
    Role.QUALITY: timedelta(minutes=15),
    Role.ADMIN: timedelta(minutes=10),
}
"""How long a screen may be left alone; the more a role may do, the shorter."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a screen holds. The token is nowhere else."""

    session_id: UUID
    account: Account
    token: str


def signed_in(engine: Engine, name: str, password: str, place: str, now: datetime | None = None) -> Session:
    """Sign in, in a transaction of its own: what was entered wrong is counted also where it raises.

    Raises:
        AccessRefused: a wrong name or password, a locked or disabled account.
    """
    now = now or utc_now()
    with storage_errors(engine.url), engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            account = sign_in(connection, name, password, now)
            session = _begin(connection, account, place, now) if isinstance(account, Account) else None
    if session is None:
        raise AccessRefused(f"sign-in of {name!r}: {account}")
    return session


def touch(connection: Connection, token: str, now: datetime | None = None) -> Account:
    """Somebody does something at a screen: return who, as the account is now.

    Raises:
        AccessRefused: the session is over, was left alone for too long, or its account was disabled.
    """
    now = now or utc_now()
    query = select(SESSIONS, ACCOUNTS.c.name).join(ACCOUNTS).where(SESSIONS.c.token == _digest(token))
    row = connection.execute(query).first()
    if row is None or row.ended_at is not None:
        raise AccessRefused("this session is over; sign in again")
    account = find_account(connection, row.name)
    if account is None or account.disabled_at is not None:
        raise AccessRefused("this account is disabled")
    if now - row.began_at > LONGEST or now - row.seen_at > IDLE[account.role]:
        raise AccessRefused(f"nothing was done here since {row.seen_at:%H:%M} UTC; sign in again")
    connection.execute(update(SESSIONS).where(SESSIONS.c.session_id == row.session_id).values(seen_at=now))
    return account


def sign_out(connection: Connection, token: str, now: datetime | None = None) -> None:
    mine = (SESSIONS.c.token == _digest(token)) & SESSIONS.c.ended_at.is_(None)
    connection.execute(update(SESSIONS).where(mine).values(ended_at=now or utc_now()))


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A person signed in somewhere."""

    name: str
    place: str
    began_at: datetime
    seen_at: datetime


def open_sessions(connection: Connection, now: datetime) -> list[OpenSession]:
    """Sessions that are neither ended nor left alone for too long, the one used last first."""
    query = (
        select(ACCOUNTS.c.name, ACCOUNTS.c.role, SESSIONS.c.place, SESSIONS.c.began_at, SESSIONS.c.seen_at)
        .join(ACCOUNTS)
        .where(SESSIONS.c.ended_at.is_(None), SESSIONS.c.began_at > now - LONGEST, ACCOUNTS.c.disabled_at.is_(None))
        .order_by(SESSIONS.c.seen_at.desc())
    )
    rows = [row for row in connection.execute(query) if now - row.seen_at <= IDLE[Role(row.role)]]
    return [OpenSession(row.name, row.place, row.began_at, row.seen_at) for row in rows]


def end_sessions(connection: Connection, name: str, by: By, now: datetime | None = None) -> int:
    """End every session of an account, and return how many there were. Screens lock at their next question.

    Raises:
        AccessRefused: there is no such account, or no reason.
    """
    account = find_account(connection, name)
    if account is None or not by.reason.strip():
        raise AccessRefused(f"sessions of {name!r}: expected the name of an account, and a reason")
    theirs = (SESSIONS.c.account_id == account.account_id) & SESSIONS.c.ended_at.is_(None)
    ended = connection.execute(update(SESSIONS).where(theirs).values(ended_at=now or utc_now())).rowcount
    record_change(connection, Change(by.person, "sessions ended", f"account {name}", by.reason, None, {"ended": ended}))
    return ended


def _begin(connection: Connection, account: Account, place: str, now: datetime) -> Session:
    session = Session(new_id(), account, secrets.token_urlsafe(32))
    row = {"session_id": session.session_id, "account_id": account.account_id, "token": _digest(session.token)}
    connection.execute(insert(SESSIONS), row | {"place": storable(place), "began_at": now, "seen_at": now})
    return session


def _digest(token: str) -> str:
    """Enough for 256 random bits; a password would need more."""
    return hashlib.sha256(token.encode()).hexdigest()
