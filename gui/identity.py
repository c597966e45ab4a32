"""Who is at the screen: nobody, somebody, or somebody who was away too long and whose work waits.

NOBODY --signed in--> PRESENT --idle, session over--> LOCKED --same person--> PRESENT
                         `------- signed out -------> NOBODY <-- another person is asked to sign out first
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select

from db.accounts import By, Permission, Role, add_account
from db.plant_tables import ACCOUNTS
from db.records import utc_now
from db.sessions import IDLE, Session, sign_out, signed_in, touch
from gui.database import Source, reading, writing
from gui.worker import Ask
from inspector.errors import AccessRefused, InspectorError

SHOWS_LIFE_AFTER = timedelta(seconds=60)
"""So often a session that is in use is renewed in the database."""


class Presence(StrEnum):
    """Whether somebody is there."""

    NOBODY = "nobody"
    PRESENT = "present"
    LOCKED = "locked"


class Gate:
    """The questions to the database; on a worker's thread."""

    def __init__(self, source: Source, place: str) -> None:
        self._source, self._place = source, place

    def has_accounts(self) -> bool:
        with reading(self._source.engine) as connection:
            return connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar_one() > 0

    def sign_in(self, name: str, password: str) -> Session:
        return signed_in(self._source.engine, name, password, self._place)

    def make_first(self, name: str, password: str, role: Role) -> Session:
        """Make the first account of an embedded database, and sign in with it."""
        with writing(self._source.engine) as connection:
            if not self._source.embedded or connection.execute(select(ACCOUNTS.c.name)).first() is not None:
                raise AccessRefused("there are accounts already; ask whoever manages them")
            add_account(connection, name, role, password, By(name, "first account of this database"))
        return self.sign_in(name, password)

    def touch(self, session: Session) -> None:
        with writing(self._source.engine) as connection:
            touch(connection, session.token)

    def sign_out(self, session: Session) -> None:
        with writing(self._source.engine) as connection:
            sign_out(connection, session.token)


class Identity:
    """The state above. `changed` is called after every change, on the GUI thread."""

    def __init__(
        self, gate: Gate, ask: Ask, changed: Callable[[], None], clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._gate, self._ask, self._changed, self._clock = gate, ask, changed, clock
        self._active_at = self._renewed_at = clock()
        self.presence = Presence.NOBODY
        self.session: Session | None = None
        self.message = ""
        self.busy = False
        self.first_account = False
        self.other_refused = False
        """Somebody else tried to open the locked window."""

    def may(self, permission: Permission) -> bool:
        session = self.session
        return self.presence is Presence.PRESENT and session is not None and session.account.may(permission)

    def look(self) -> None:
        """Ask whether there are accounts at all."""

        def told(there: bool) -> None:
            self.first_account = not there
            self._changed()

        self._ask("accounts", self._gate.has_accounts, told, self._refused)

    def sign_in(self, name: str, password: str) -> None:
        if self.presence is Presence.LOCKED and self.session is not None and name != self.session.account.name:
            self.other_refused = True
            self._say("")
            return
        self._enter(lambda: self._gate.sign_in(name, password))

    def make_first(self, name: str, password: str, role: Role) -> None:
        self._enter(lambda: self._gate.make_first(name, password, role))

    def sign_out(self) -> None:
        """Leave, also from the locked screen: what was not saved is gone then, so the screen asks before."""
        if self.session is not None:
            session = self.session
            self._ask("sign-out", lambda: self._gate.sign_out(session), lambda _: None, lambda _: None)
        self.session, self.presence, self.other_refused = None, Presence.NOBODY, False
        self._say("")

    def lock(self, why: str = "") -> None:
        """Hide the screen; everything on it stays as it is."""
        if self.presence is Presence.PRESENT:
            self.presence = Presence.LOCKED
            self._say(why)

    def active(self) -> None:
        """Somebody touched a key or the mouse."""
        self._active_at = self._clock()

    def tick(self) -> None:
        """Now and then: lock a screen that was left alone, renew the session of one that is in use."""
        if self.presence is not Presence.PRESENT or self.session is None:
            return
        if self._clock() - self._active_at > IDLE[self.session.account.role]:
            self.lock()
        elif self._active_at > self._renewed_at and self._clock() - self._renewed_at > SHOWS_LIFE_AFTER:
            self._renewed_at, session = self._clock(), self.session
            self._ask("touch", lambda: self._gate.touch(session), lambda _: None, self.failed)

    def failed(self, error: InspectorError) -> None:
        """A question of any screen was refused: a session that is over locks, work stays."""
        if isinstance(error, AccessRefused):
            self.lock(str(error))

    def _enter(self, question: Callable[[], Session]) -> None:
        self.busy, self.message, self.other_refused = True, "", False
        self._changed()
        self._ask("sign-in", question, self._entered, self._refused)

    def _entered(self, session: Session) -> None:
        self.busy, self.session, self.presence, self.message = False, session, Presence.PRESENT, ""
        self.first_account = False
        self._active_at = self._renewed_at = self._clock()
        self._changed()

    def _refused(self, error: InspectorError) -> None:
        self.busy = False
        self._say(str(error))

    def _say(self, message: str) -> None:
        self.message = message
        self._changed()
