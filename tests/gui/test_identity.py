from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from db.accounts import Permission, Role
from db.plant_tables import SESSIONS
from db.records import utc_now
from db.sessions import IDLE
from gui.database import DEMO, Source, open_source, reading, writing
from gui.identity import Gate, Identity, Presence
from inspector.errors import DatabaseError, InspectorError

PASSWORD = "correct horse battery"


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


def ask_now(topic: str, question: Any, then: Any, failed: Any) -> None:
    try:
        value = question()
    except InspectorError as error:
        failed(error)
        return
    then(value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(source: Source, clock: Clock) -> Identity:
    return Identity(Gate(source, "a test"), ask_now, lambda: None, clock)


def test_a_role_decides_what_is_enabled(identity: Identity) -> None:
    assert not identity.may(Permission.LABEL)
    identity.sign_in("ben", PASSWORD)
    assert identity.presence is Presence.PRESENT
    assert identity.may(Permission.LABEL)
    assert not identity.may(Permission.APPROVE)
    identity.lock()
    assert not identity.may(Permission.LABEL)


def test_a_wrong_password_is_told_and_nobody_is_in(identity: Identity) -> None:
    identity.sign_in("ann", "wrong")
    assert identity.presence is Presence.NOBODY
    assert "wrong name or password" in identity.message
    assert not identity.busy


def test_a_screen_left_alone_locks_and_its_owner_alone_opens_it(identity: Identity, clock: Clock) -> None:
    identity.sign_in("ann", PASSWORD)
    clock.now += IDLE[Role.QUALITY]
    identity.tick()
    assert identity.presence is Presence.PRESENT
    clock.now += timedelta(seconds=1)
    identity.tick()
    assert identity.presence is Presence.LOCKED
    identity.sign_in("ben", PASSWORD)
    assert identity.presence is Presence.LOCKED
    assert identity.other_refused
    identity.sign_in("ann", PASSWORD)
    assert identity.presence is Presence.PRESENT


def test_a_screen_in_use_stays_open_and_its_session_alive(identity: Identity, clock: Clock, source: Source) -> None:
    identity.sign_in("ann", PASSWORD)
    for _ in range(3):
        clock.now += timedelta(minutes=10)
        identity.active()
        identity.tick()
    assert identity.presence is Presence.PRESENT
    with writing(source.engine) as connection:
        connection.execute(update(SESSIONS).values(ended_at=utc_now()))
    clock.now += timedelta(minutes=2)
    identity.active()
    identity.tick()
    assert identity.presence is Presence.LOCKED
    assert "sign in again" in identity.message


def test_signing_out_ends_the_session(identity: Identity, source: Source) -> None:
    identity.sign_in("ann", PASSWORD)
    identity.sign_out()
    with reading(source.engine) as connection:
        running = select(func.count()).select_from(SESSIONS).where(SESSIONS.c.ended_at.is_(None))
        assert connection.execute(running).scalar() == 0
    assert identity.presence is Presence.NOBODY


def test_a_first_account_is_made_only_where_there_is_none(identity: Identity, tmp_path: Any) -> None:
    identity.look()
    assert not identity.first_account
    identity.make_first("eve", PASSWORD, Role.QUALITY)
    assert identity.presence is Presence.NOBODY
    assert "there are accounts already" in identity.message


def test_an_empty_database_takes_a_first_account(tmp_path: Any) -> None:
    from db.engine import open_engine

    open_engine(tmp_path / "new.sqlite", create=True).dispose()
    source = open_source(str(tmp_path / "new.sqlite"))
    identity = Identity(Gate(source, "a test"), ask_now, lambda: None)
    identity.look()
    assert identity.first_account
    identity.make_first("eve", "short", Role.QUALITY)
    assert "expected 10 characters or more" in identity.message
    identity.make_first("eve", PASSWORD, Role.QUALITY)
    assert identity.presence is Presence.PRESENT
    assert identity.may(Permission.LABEL)
    source.engine.dispose()


def test_no_database_here_says_how_to_make_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECTOR_DATABASE", raising=False)
    with pytest.raises(DatabaseError, match="run `inspector demo` to make the demo's"):
        open_source(None)


def test_without_a_name_the_demos_database_is_opened(
    plant: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECTOR_DATABASE", raising=False)
    DEMO.parent.mkdir(parents=True)
    plant.path.rename(DEMO)
    source = open_source(None)
    assert source.name == str(DEMO)
    assert source.pictures.root == DEMO.parent / "images"
    source.engine.dispose()
