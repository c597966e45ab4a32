"""Another person, who signs in for one change that takes two."""

from __future__ import annotations

from dataclasses import dataclass

from db.accounts import Permission
from db.sessions import sign_out, signed_in
from gui.database import Source, writing
from inspector.errors import AccessRefused


@dataclass(frozen=True, slots=True)
class Second:
    """What the other person entered."""

    name: str
    password: str


def agreed(source: Source, place: str, first: str, second: Second) -> str:
    """Sign the second person in and out again, and return the name; what was entered wrong is counted as ever.

    Raises:
        AccessRefused: it is the first person again, or one who cannot sign in or may not approve.
    """
    if second.name == first:
        raise AccessRefused(f"{second.name} is the first; expected another")
    other = signed_in(source.engine, second.name, second.password, place)
    with writing(source.engine) as connection:
        sign_out(connection, other.token)
    other.account.require(Permission.APPROVE)
    return other.account.name
