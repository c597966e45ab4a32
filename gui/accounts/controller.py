"""Accounts and audit log, without a screen.

Two roles meet here: who manages accounts, and who reads the log. What a role may not, is not asked.
"""

from __future__ import annotations

from collections.abc import Callable

from db.accounts import Account, Permission
from db.audit_log import Entry
from db.audit_proof import Examination
from db.sessions import Session
from gui.accounts.desk import AccountChange, AccountsDesk, Asked, Page, People
from gui.worker import Ask
from inspector.errors import AccessRefused, InspectorError


class AccountsController:
    """`changed` is called on the GUI thread after every change; `refused` hears that a session is over."""

    def __init__(
        self, desk: AccountsDesk, ask: Ask, changed: Callable[[], None], refused: Callable[[InspectorError], None]
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self.session: Session | None = None
        self.people: People | None = None
        self.chosen = ""
        """The account that is looked at."""
        self.asked = Asked()
        self.entries: tuple[Entry, ...] = ()
        self.more = False
        self.examined: Examination | None = None
        self.examining = self.busy = False
        self.with_key = False
        self.error = ""
        self.done: AccountChange | None = None
        """The change that was made last, without its password."""

    # ---- what is so

    @property
    def may_manage(self) -> bool:
        return self.session is not None and self.session.account.may(Permission.ACCOUNTS)

    @property
    def may_audit(self) -> bool:
        return self.session is not None and self.session.account.may(Permission.AUDIT)

    @property
    def account(self) -> Account | None:
        known = () if self.people is None else self.people.accounts
        return next((account for account in known if account.name == self.chosen), None)

    # ---- persons

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._changed()

    def end(self) -> None:
        """Nobody is there: nothing of what was seen stays for the next person."""
        self.session, self.people, self.examined, self.done = None, None, None, None
        self.entries, self.more, self.error, self.chosen, self.asked = (), False, "", "", Asked()
        self.busy = self.examining = False
        self._changed()

    # ---- accounts

    def refresh(self) -> None:
        self.error = ""
        if self.may_manage:
            self._read_people()
        if self.may_audit:
            self._read_log(None)
        self._changed()

    def choose(self, name: str) -> None:
        if name != self.chosen:
            self.chosen = name
            self._changed()

    def change(self, change: AccountChange) -> None:
        """Carry out a change; it needs a reason, which the database asks for."""
        session = self.session
        if session is None or self.busy or not self.may_manage:
            return
        self.busy, self.error, self.done = True, "", None
        self._changed()
        told = AccountChange(change.act, change.name.strip(), change.reason, change.role)
        self._ask(
            "account", lambda: self._desk.change(session, change), lambda _: self._made(session, told), self._failed
        )

    # ---- the log

    def look_for(self, asked: Asked) -> None:
        if asked != self.asked and self.may_audit:
            self.asked = asked
            self._read_log(None)

    def older(self) -> None:
        if self.more and self.entries:
            self._read_log(self.entries[-1].sequence)

    def examine(self, key: str, heads: str) -> None:
        """Examine the whole log: its chain, and its signatures where a public key is named."""
        session = self.session
        if session is None or self.examining or not self.may_audit:
            return
        key, heads = key.strip(), heads.strip()
        self.examining, self.examined, self.error, self.with_key = True, None, "", bool(key)
        self._changed()
        self._ask(
            "examine",
            lambda: self._desk.examine(session, key, heads),
            lambda found: self._examined(session, found),
            self._failed,
        )

    # ----

    def _read_people(self) -> None:
        session = self.session
        if session is not None:
            self._ask(
                "people", lambda: self._desk.people(session), lambda found: self._people(session, found), self._failed
            )

    def _read_log(self, before: int | None) -> None:
        session, asked = self.session, self.asked
        if session is not None:
            self._ask(
                "audit log",
                lambda: self._desk.log(session, asked, before),
                lambda page: self._log(session, page, before),
                self._failed,
            )

    def _people(self, session: Session, people: People) -> None:
        if self._still(session):
            self.people = people
            if self.account is None and people.accounts:
                self.chosen = people.accounts[0].name
            self._changed()

    def _log(self, session: Session, page: Page, before: int | None) -> None:
        if self._still(session):
            self.entries = page.entries if before is None else (*self.entries, *page.entries)
            self.more = page.more
            self._changed()

    def _made(self, session: Session, told: AccountChange) -> None:
        if self._still(session):
            self.busy, self.done, self.chosen = False, told, told.name
            self.refresh()

    def _examined(self, session: Session, found: Examination) -> None:
        if self._still(session):
            self.examining, self.examined = False, found
            self._changed()

    def _still(self, session: Session) -> bool:
        """Whether the person who asked is still the one at the screen."""
        return self.session is not None and self.session.account.name == session.account.name

    def _failed(self, error: InspectorError) -> None:
        self.busy = self.examining = False
        self.error = str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
