"""Accounts and the audit log: what roles may, changes with their reasons, filters, verification, and the screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from sqlalchemy import select, text, update

from db.accounts import By, Role, set_role
from db.audit_checkpoints import checkpoints, keep_heads, sign_log
from db.audit_keys import new_key, write_keys
from db.audit_log import Change, Sought, record_change, search
from db.plant_tables import AUDIT_LOG, SESSIONS
from db.records import utc_now
from db.sessions import LONGEST, Session, end_sessions, open_sessions, signed_in, touch
from gui.accounts.controller import AccountsController
from gui.accounts.desk import PAGE, AccountChange, Act, Asked, DatabaseAccounts
from gui.accounts.texts import differences, entry_text, examination_text, message_text
from gui.database import Source, reading, writing
from gui.identity import Presence
from gui.shell import Shell
from inspector.errors import AccessRefused, DatabaseError, InspectorError, UserError

PASSWORD = "correct horse battery"
WAIT_MS = 20_000
SignIn = Callable[[str], Session]


def ask_now(topic: str, question: Any, then: Any, failed: Any) -> None:
    try:
        value = question()
    except InspectorError as error:
        failed(error)
        return
    then(value)


@pytest.fixture
def desk(source: Source) -> DatabaseAccounts:
    return DatabaseAccounts(source)


@pytest.fixture
def opened(desk: DatabaseAccounts, session: SignIn) -> Callable[[str], AccountsController]:
    def opened(name: str) -> AccountsController:
        controller = AccountsController(desk, ask_now, lambda: None, lambda _: None)
        controller.begin(session(name))
        controller.refresh()
        return controller

    return opened


# ---- the database


def test_who_is_signed_in_is_listed_until_the_session_is_over(source: Source, session: SignIn) -> None:
    session("ann"), session("ben")
    with writing(source.engine) as connection:
        now = utc_now()
        assert sorted(one.name for one in open_sessions(connection, now)) == ["ann", "ben"]
        assert [one.name for one in open_sessions(connection, now + timedelta(minutes=20))] == ["ben"]
        assert open_sessions(connection, now + LONGEST) == []
        assert end_sessions(connection, "ben", By("root", "left the plant")) == 1
        assert [one.name for one in open_sessions(connection, now)] == ["ann"]
        with pytest.raises(AccessRefused, match="and a reason"):
            end_sessions(connection, "ann", By("root", " "))
        with pytest.raises(AccessRefused, match="name of an account"):
            end_sessions(connection, "nobody", By("root", "x"))
        (row,) = search(connection, Sought(words="sessions ended"), 5)
    assert (row.person, row.subject, row.reason) == ("root", "account ben", "left the plant")


def test_the_log_is_searched_by_person_words_and_time(source: Source) -> None:
    with writing(source.engine) as connection:
        for number in range(6):
            change = Change("kim" if number % 2 else "eve", "recipe revised", f"recipe r{number}", "100 % more_light")
            record_change(connection, change)
        record_change(connection, Change("kim", "old", "x", "y", at=utc_now() - timedelta(days=9)))
        found = search(connection, Sought("kim", "recipe r"), 10)
        assert [one.subject for one in found] == ["recipe r5", "recipe r3", "recipe r1"]
        assert search(connection, Sought("kim", "recipe r"), 10, before=found[0].sequence) == found[1:]
        assert len(search(connection, Sought(words="100 % MORE_"), 10)) == 6
        assert search(connection, Sought(words="100_% more"), 10) == []
        lately = search(connection, Sought("kim", since=utc_now() - timedelta(days=1)), 10)
        assert "old" not in [one.action for one in lately]


# ---- the desk


def test_each_change_takes_the_right_a_reason_and_leaves_its_row(
    desk: DatabaseAccounts, source: Source, session: SignIn
) -> None:
    root = session("root")
    for name in ("ann", "ben", "eve"):
        with pytest.raises(AccessRefused, match="may not manage accounts"):
            desk.people(session(name))
        with pytest.raises(AccessRefused, match="may not manage accounts"):
            desk.change(session(name), AccountChange(Act.DISABLE, "ben", "why not"))
    made = AccountChange(Act.MAKE, " kim ", "new in shift 2", Role.OPERATOR, PASSWORD, "Kim Lee")
    desk.change(root, made)
    desk.change(root, AccountChange(Act.ROLE, "kim", "trained", Role.ENGINEER))
    kim = signed_in(source.engine, "kim", PASSWORD, "a test")
    desk.change(root, AccountChange(Act.PASSWORD, "kim", "forgot it", password="another long password"))
    with writing(source.engine) as connection, pytest.raises(AccessRefused, match="session is over"):
        touch(connection, kim.token)
    desk.change(root, AccountChange(Act.DISABLE, "kim", "left"))
    desk.change(root, AccountChange(Act.ENABLE, "kim", "came back"))
    desk.change(root, AccountChange(Act.END_SESSIONS, "kim", "lost a card"))
    with reading(source.engine) as connection:
        log = list(connection.execute(select(AUDIT_LOG).where(AUDIT_LOG.c.subject == "account kim")).mappings())
    assert [(row["action"], row["reason"]) for row in log if row["action"] != "sessions ended"] == [
        ("account made", "new in shift 2"),
        ("role changed", "trained"),
        ("password changed", "forgot it"),
        ("account disabled", "left"),
        ("account enabled", "came back"),
    ]
    assert PASSWORD not in repr(made)
    assert not [row for row in log if "password" in f"{row['old']}{row['new']}".lower()]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (AccountChange(Act.DISABLE, "ben", " "), "expected a reason"),
        (AccountChange(Act.DISABLE, "root", "bye"), "last admin"),
        (AccountChange(Act.MAKE, "ben", "again", password=PASSWORD), "never used again"),
        (AccountChange(Act.MAKE, "kim", "new", password="short"), "10 characters or more"),
        (AccountChange(Act.ROLE, "nobody", "x"), "none of this name"),
    ],
)
def test_what_is_refused_says_why_and_locks_nobody_out(
    change: AccountChange, said: str, desk: DatabaseAccounts, session: SignIn
) -> None:
    with pytest.raises(UserError, match=said) as told:
        desk.change(session("root"), change)
    assert not isinstance(told.value, AccessRefused)


def test_the_log_is_read_by_who_may(desk: DatabaseAccounts, session: SignIn) -> None:
    for name in ("ann", "root"):
        assert desk.log(session(name), Asked(), None).entries[-1].action == "log begun"
    for name in ("ben", "eve"):
        with pytest.raises(AccessRefused, match="may not read the audit log"):
            desk.log(session(name), Asked(), None)
        with pytest.raises(AccessRefused, match="may not read the audit log"):
            desk.examine(session(name), "", "")


# ---- the controller


def test_what_a_role_may_not_is_not_asked(opened: Callable[[str], AccountsController]) -> None:
    seen = {name: opened(name) for name in ("root", "ann", "ben")}
    assert [controller.people is not None for controller in seen.values()] == [True, False, False]
    assert [bool(controller.entries) for controller in seen.values()] == [True, True, False]
    assert "neither manages" in message_text(seen["ben"])
    assert {controller.error for controller in seen.values()} == {""}


def test_rows_come_page_by_page_and_go_with_the_person(
    source: Source, opened: Callable[[str], AccountsController], session: SignIn
) -> None:
    with writing(source.engine) as connection:
        for number in range(PAGE + 10):
            record_change(connection, Change("kim", "tried", f"thing {number}", "because"))
    controller = opened("ann")
    assert (len(controller.entries), controller.more) == (PAGE, True)
    controller.older()
    assert not controller.more
    numbers = [entry.sequence for entry in controller.entries]
    assert numbers == list(range(numbers[0], 0, -1))
    controller.look_for(Asked("kim", "thing 7"))
    assert {entry.subject for entry in controller.entries} == {"thing 7", *(f"thing {n}" for n in range(70, 80))}
    assert "Reason: because" in entry_text(controller.entries[0])
    controller.begin(session("root"))
    assert controller.entries == ()


def test_of_a_change_only_what_became_another_is_told() -> None:
    old = json.dumps({"number": 1, "text": json.dumps({"roi": None, "quality": {"min_focus": 1.0, "max_repeats": 2}})})
    new = json.dumps(
        {"number": 2, "text": json.dumps({"roi": {"x": 5}, "quality": {"min_focus": 9.5, "max_repeats": 2}})}
    )
    assert differences(old, new) == ["number: 1 → 2", "text.quality.min_focus: 1.0 → 9.5", "text.roi.x: - → 5"]
    assert differences(None, json.dumps({"role": "admin", "full_name": ""})) == ["role: admin", "full_name: "]
    assert differences(json.dumps("a"), json.dumps("{b")) == [": a → {b"]
    assert differences(None, None) == []


def test_a_sound_log_and_an_altered_one_are_told_apart(
    source: Source, tmp_path: Path, opened: Callable[[str], AccountsController]
) -> None:
    key = new_key()
    _, public = write_keys(key, tmp_path)
    with writing(source.engine) as connection:
        set_role(connection, "ben", Role.ENGINEER, By("root", "trained"))
        sign_log(connection, key, utc_now())
        kept = checkpoints(connection)
    keep_heads(tmp_path / "heads.jsonl", kept)
    controller = opened("ann")
    controller.examine("", "")
    assert "in an unbroken chain. Signatures were not looked at" in examination_text(controller)
    controller.examine(str(public), str(tmp_path / "heads.jsonl"))
    assert f"signed to row {kept[-1].last}; 0 since then" in examination_text(controller)
    controller.examine("", str(tmp_path / "heads.jsonl"))
    assert "they need the public key" in controller.error
    controller.examine(str(tmp_path / "none.pem"), "")
    assert "none.pem" in controller.error
    with writing(source.engine) as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            if name.startswith("audit_log"):
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(update(AUDIT_LOG).where(AUDIT_LOG.c.sequence == 3).values(reason="another"))
    controller.examine("", "")
    assert examination_text(controller).startswith("Not sound. row 3: altered")


def test_a_change_that_fails_keeps_what_was_typed_and_says_why(opened: Callable[[str], AccountsController]) -> None:
    controller = opened("root")
    controller.change(AccountChange(Act.MAKE, "ben", "again", password=PASSWORD))
    assert "never used again" in controller.error
    assert "still here" in message_text(controller)
    assert (controller.done, controller.busy) == (None, False)
    controller.change(AccountChange(Act.MAKE, "kim", "new", password=PASSWORD))
    assert controller.done is not None
    assert (controller.error, controller.chosen, controller.done.password) == ("", "kim", "")


# ---- on the screen


@pytest.fixture
def enter(plant: Any, source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Callable[[str], Shell]]:
    windows = []

    def enter(name: str) -> Shell:
        window = Shell(source, "a test")
        windows.append(window)
        qtbot.addWidget(window)
        with qtbot.waitExposed(window):
            window.show()
        window.identity.sign_in(name, PASSWORD)
        qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
        window.go([place.screen for place in window.places].index(window.accounts))
        return window

    yield enter
    for window in windows:
        window.close()


def test_an_administrator_makes_an_account_and_ends_sessions_by_keys(
    enter: Callable[[str], Shell], qtbot: Any, plant: Any
) -> None:
    elsewhere = plant.source()  # its statements are not those of the window
    signed_in(elsewhere.engine, "ben", PASSWORD, "another screen")
    screen = enter("root").accounts
    page = screen.persons
    qtbot.waitUntil(lambda: page.table.rowCount() == 4, timeout=WAIT_MS)
    typed = ((page.reason, "shift 2"), (page.name, "kim"), (page.new_password, "short"))
    for widget, words in typed:
        QTest.keyClicks(widget, words)
    QTest.keyClick(page.make, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "still here" in screen.notice.text(), timeout=WAIT_MS)
    assert (page.reason.text(), page.name.text()) == ("shift 2", "kim")
    page.new_password.clear()
    QTest.keyClicks(page.new_password, PASSWORD)
    QTest.keyClick(page.make, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.table.rowCount() == 5, timeout=WAIT_MS)
    assert (screen.notice.text(), page.reason.text(), page.new_password.text()) == ("kim may sign in.", "", "")
    page.table.setFocus()
    while screen.controller.chosen != "ben":
        QTest.keyClick(page.table, Qt.Key.Key_Up)
    assert "since" in page.sessions.text()
    QTest.keyClicks(page.reason, "left his place")
    QTest.keyClick(page.end_sessions, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.sessions.text() == "Not signed in anywhere.", timeout=WAIT_MS)
    screen.turn_to(1)
    QTest.keyClicks(screen.log.words, "sessions")
    QTest.keyClick(screen.log.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "1 rows" in screen.log.count.text(), timeout=WAIT_MS)
    assert "left his place" in screen.log.whole.toPlainText()
    QTest.keyClick(screen.log.verify, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "unbroken chain" in screen.log.examined.text(), timeout=WAIT_MS)
    with reading(elsewhere.engine) as connection:
        assert connection.execute(select(SESSIONS.c.ended_at).where(SESSIONS.c.ended_at.is_not(None))).all()
    elsewhere.engine.dispose()


def test_a_quality_engineer_sees_the_log_and_an_operator_nothing(enter: Callable[[str], Shell], qtbot: Any) -> None:
    log = enter("ann").accounts
    qtbot.waitUntil(lambda: log.log.table.rowCount() > 0, timeout=WAIT_MS)
    assert log.pages.currentIndex() == 1
    assert not log.ways.button(0).isEnabled()
    none = enter("ben").accounts
    qtbot.waitUntil(lambda: "neither manages" in none.notice.text(), timeout=WAIT_MS)
    assert not none.persons.make.isEnabled()
    assert not none.log.verify.isEnabled()


def test_reading_the_log_without_the_file_of_the_key_is_one_line(desk: DatabaseAccounts, session: SignIn) -> None:
    with pytest.raises(DatabaseError, match="they need the public key"):
        desk.examine(session("ann"), "", "heads.jsonl")
