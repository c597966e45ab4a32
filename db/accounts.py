"""Who may sign in, and what each role may do. Every change has its row in the audit log; no password is in it.

Every function takes a connection and leaves the transaction to its caller, but for one case: `sign_in` counts a wrong
password, so its caller commits also when it raises (`signed_in` does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection, insert, select, update

from db.audit_log import LONGEST_PERSON, Change, record_change
from db.plant_tables import ACCOUNTS
from db.records import storable, utc_now
from inspector.errors import AccessRefused
from inspector.ids import new_id

SHORTEST_PASSWORD = 10
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
WRONG = "wrong name or password"


class Role(StrEnum):
    """What a person is. Roles are words of the program and no table: who could write that table could do anything."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    QUALITY = "quality"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a role may do."""

    LABEL = "label parts"
    ACKNOWLEDGE = "acknowledge events"
    ORDER = "give orders to stations"
    RECIPES = "change recipes"
    MODELS = "train and propose bundles"
    APPROVE = "approve bundles and limits"
    AUDIT = "read the audit log"
    ACCOUNTS = "manage accounts"


_OPERATOR = frozenset({Permission.LABEL, Permission.ACKNOWLEDGE})
MAY = {
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _OPERATOR | {Permission.ORDER, Permission.RECIPES, Permission.MODELS},
    Role.QUALITY: _OPERATOR | {Permission.APPROVE, Permission.AUDIT},
    Role.ADMIN: frozenset({Permission.ACCOUNTS, Permission.AUDIT, Permission.ACKNOWLEDGE}),
}
"""An admin makes accounts and neither changes nor approves: whoever gives rights does not use them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person, without the password."""

    account_id: UUID
    name: str
    full_name: str
    role: Role
    created_at: datetime
    password_at: datetime
    disabled_at: datetime | None
    failures: int
    locked_until: datetime | None

    def may(self, permission: Permission) -> bool:
        return permission in MAY[self.role]

    def require(self, permission: Permission) -> None:
        """Raise AccessRefused where the role may not."""
        if not self.may(permission):
            raise AccessRefused(f"{self.name} is {self.role} and may not {permission}")


@dataclass(frozen=True, slots=True)
class By:
    """Who changes an account, and why."""

    person: str
    reason: str


def add_account(connection: Connection, name: str, role: Role, password: str, by: By, full_name: str = "") -> Account:
    """Make an account.

    Raises:
        AccessRefused: no usable name, one that is taken, or a password that is too short.
    """
    if not name.strip() or name != name.strip() or len(name) > LONGEST_PERSON or not name.isprintable():
        raise AccessRefused(f"account {name!r}: expected a name of 1 to {LONGEST_PERSON} printable characters")
    if find_account(connection, name) is not None:
        raise AccessRefused(f"account {name!r}: there is one of this name; names are never used again")
    row = {"account_id": new_id(), "name": name, "full_name": storable(full_name), "role": role.value, "failures": 0}
    moments = dict.fromkeys(("created_at", "password_at"), utc_now())
    connection.execute(insert(ACCOUNTS), row | moments | {"password": _hashed(name, password)})
    _log(connection, name, "account made", by, None, {"role": role.value, "full_name": full_name})
    return _required(connection, name)


def set_role(connection: Connection, name: str, role: Role, by: By) -> None:
    account = _required(connection, name)
    if account.role is Role.ADMIN and role is not Role.ADMIN:
        _require_another_admin(connection, account)
    _set(connection, name, role=role.value)
    _log(connection, name, "role changed", by, {"role": account.role.value}, {"role": role.value})


def set_password(connection: Connection, name: str, password: str, by: By) -> None:
    """Set a password, and forget what was entered wrong before."""
    _required(connection, name)
    _set(connection, name, password=_hashed(name, password), password_at=utc_now(), failures=0, locked_until=None)
    _log(connection, name, "password changed", by)


def disable(connection: Connection, name: str, by: By) -> None:
    """Nobody signs in with it any more, and its sessions are over. The last admin stays."""
    account = _required(connection, name)
    if account.role is Role.ADMIN:
        _require_another_admin(connection, account)
    _set(connection, name, disabled_at=utc_now())
    _log(connection, name, "account disabled", by, {"disabled": account.disabled_at is not None}, {"disabled": True})


def enable(connection: Connection, name: str, by: By) -> None:
    """Undo `disable`, and a lock."""
    account = _required(connection, name)
    _set(connection, name, disabled_at=None, failures=0, locked_until=None)
    _log(connection, name, "account enabled", by, {"disabled": account.disabled_at is not None}, {"disabled": False})


def sign_in(connection: Connection, name: str, password: str, now: datetime) -> Account | str:
    """Return the account, or why it may not sign in; a wrong password is counted, and the fifth one locks.

    Whether it is the name or the password that is wrong is not told, in words or in time.
    """
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    right = _matches(row["password"] if row else _nobody(), password)
    if row is None:
        return WRONG
    account = _account(row)
    if account.locked_until is not None and now < account.locked_until:
        return f"locked until {account.locked_until:%H:%M} UTC after {MOST_FAILURES} wrong passwords"
    if not right:
        return _count_failure(connection, account, now)
    if account.disabled_at is not None:
        return "this account is disabled"
    _set(connection, name, failures=0, locked_until=None)
    if _hasher().check_needs_rehash(row["password"]):
        _set(connection, name, password=_hasher().hash(password))
    return account


def find_account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    return None if row is None else _account(row)


def all_accounts(connection: Connection) -> Sequence[Account]:
    """Every account by name."""
    return [_account(row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name)).mappings()]


def _count_failure(connection: Connection, account: Account, now: datetime) -> str:
    failures = account.failures + 1
    if failures < MOST_FAILURES:
        _set(connection, account.name, failures=failures, locked_until=None)
        return WRONG
    _set(connection, account.name, failures=0, locked_until=now + LOCKED_FOR)
    new = {"locked_until": (now + LOCKED_FOR).isoformat()}
    _log(connection, account.name, "account locked", By(account.name, f"{failures} wrong passwords"), None, new)
    return WRONG


def _require_another_admin(connection: Connection, account: Account) -> None:
    others = [each for each in all_accounts(connection) if each.role is Role.ADMIN and each.disabled_at is None]
    if not [each for each in others if each.name != account.name]:
        raise AccessRefused(f"account {account.name!r}: it is the last admin; make another one first")


def _required(connection: Connection, name: str) -> Account:
    account = find_account(connection, name)
    if account is None:
        raise AccessRefused(f"account {name!r}: there is none of this name")
    return account


def _account(row: Any) -> Account:
    fields = {name: row[name] for name in Account.__dataclass_fields__}
    return Account(**{**fields, "role": Role(row["role"])})


def _set(connection: Connection, name: str, **values: object) -> None:
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))


def _log(connection: Connection, name: str, action: str, by: By, old: Any = None, new: Any = None) -> None:
    if not by.reason.strip():
        raise AccessRefused(f"account {name!r}: expected a reason ({action})")
    record_change(connection, Change(by.person, action, f"account {name}", by.reason, old, new))


# ---- passwords


@cache
def _hasher() -> PasswordHasher:
    """RFC 9106's second choice, for machines that do other things too: 64 MiB, three passes, argon2id."""
    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@cache
def _nobody() -> str:
    """What a password is held against where there is no account, so that it takes as long."""
    return _hasher().hash("nobody's password")


def _hashed(name: str, password: str) -> str:
    if len(password) < SHORTEST_PASSWORD or name.lower() in password.lower():
        raise AccessRefused(f"password: expected {SHORTEST_PASSWORD} characters or more, without the account's name")
    return _hasher().hash(password)


def _matches(encoded: str, password: str) -> bool:
    try:
        return _hasher().verify(encoded, password)
    except (Argon2Error, InvalidHashError):
        return False
