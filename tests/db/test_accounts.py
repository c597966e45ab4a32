from __future__ import annotations

import argparse
import io
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from db import accounts, command
from db.accounts import MAY, Account, By, Permission, Role, add_account, disable, enable, set_password, set_role
from db.audit_log import changes_of, entries
from db.audit_proof import examine
from db.plant_tables import ACCOUNTS, SESSIONS
from db.sessions import IDLE, LONGEST, Session, sign_out, signed_in, touch
from inspector.errors import AccessRefused

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
PASSWORD = "correct horse battery"
BY = By("root", "first accounts")


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one takes 64 MiB and tenths of a second; one test holds its parameters."""
    monkeypatch.setattr(accounts, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    accounts._nobody.cache_clear()


@pytest.fixture
def ann(engine: Engine) -> Account:
    with engine.begin() as connection:
        return add_account(connection, "ann", Role.OPERATOR, PASSWORD, BY, "Ann O'Neill; --")


def enter(engine: Engine, password: str = PASSWORD, name: str = "ann", now: datetime = NOW) -> Session:
    return signed_in(engine, name, password, "press-4", now)


def test_passwords_are_argon2id_with_the_parameters_of_rfc_9106() -> None:
    hasher = accounts.__dict__["PasswordHasher"](time_cost=3, memory_cost=64 * 1024, parallelism=4)
    assert hasher.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_is_nowhere_to_be_read(engine: Engine, ann: Account) -> None:
    with engine.connect() as connection:
        (row,) = connection.execute(select(ACCOUNTS)).all()
        log = list(entries(connection))
    assert row.password.startswith("$argon2id$")
    assert all(PASSWORD not in str(column) for each in log for column in (each.old, each.new, each.reason))
    assert all("argon2" not in f"{each.old}{each.new}" for each in log)


def test_a_person_signs_in_is_followed_and_signs_out(engine: Engine, ann: Account) -> None:
    session = enter(engine)
    assert session.account.full_name == "Ann O'Neill; --"
    with engine.begin() as connection:
        assert touch(connection, session.token, NOW + timedelta(minutes=20)).name == "ann"
        assert touch(connection, session.token, NOW + timedelta(minutes=45)).name == "ann"
        sign_out(connection, session.token, NOW)
        with pytest.raises(AccessRefused, match="over; sign in again"):
            touch(connection, session.token, NOW)
        assert connection.execute(select(SESSIONS.c.token)).scalar_one() != session.token


def test_a_screen_left_alone_is_out_and_so_is_one_that_is_touched_all_day(engine: Engine, ann: Account) -> None:
    session = enter(engine)
    with engine.begin() as connection:
        with pytest.raises(AccessRefused, match="nothing was done here since 05:06"):
            touch(connection, session.token, NOW + IDLE[Role.OPERATOR] + timedelta(seconds=1))
        moment = NOW
        while moment + IDLE[Role.OPERATOR] <= NOW + LONGEST:
            moment += IDLE[Role.OPERATOR]
            touch(connection, session.token, moment)
        with pytest.raises(AccessRefused, match="sign in again"):
            touch(connection, session.token, moment + timedelta(seconds=1))


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --"])
def test_a_token_that_nobody_gave_is_no_session(engine: Engine, ann: Account, token: str) -> None:
    enter(engine)
    with engine.begin() as connection, pytest.raises(AccessRefused):
        touch(connection, token, NOW)


def test_an_unknown_name_and_a_wrong_password_are_told_in_the_same_words(engine: Engine, ann: Account) -> None:
    said = set()
    for name, password in (("ann", "wrong password"), ("bob", PASSWORD), ("' OR ''='", PASSWORD)):
        with pytest.raises(AccessRefused) as refused:
            enter(engine, password, name)
        said.add(str(refused.value).split(": ", 1)[1])
    assert said == {"wrong name or password"}


def test_the_fifth_wrong_password_locks_for_a_while_and_is_logged(engine: Engine, ann: Account) -> None:
    for _ in range(5):
        with pytest.raises(AccessRefused, match="wrong name or password"):
            enter(engine, "wrong password")
    with pytest.raises(AccessRefused, match="locked until 05:21 UTC"):
        enter(engine)
    with engine.connect() as connection:
        assert changes_of(connection, "account ann")[-1].action == "account locked"
    assert enter(engine, now=NOW + timedelta(minutes=15)).account.failures == 0


def test_a_right_password_forgets_the_wrong_ones(engine: Engine, ann: Account) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(AccessRefused):
                enter(engine, "wrong password")
        enter(engine)


def test_a_disabled_account_signs_in_no_more_and_its_sessions_are_over(engine: Engine, ann: Account) -> None:
    session = enter(engine)
    with engine.begin() as connection:
        disable(connection, "ann", By("root", "left"))
        with pytest.raises(AccessRefused, match="disabled"):
            touch(connection, session.token, NOW)
    with pytest.raises(AccessRefused, match="disabled"):
        enter(engine)
    with engine.begin() as connection:
        enable(connection, "ann", By("root", "came back"))
    assert enter(engine).account.name == "ann"


def test_a_locked_account_is_opened_by_a_new_password(engine: Engine, ann: Account) -> None:
    for _ in range(5):
        with pytest.raises(AccessRefused):
            enter(engine, "wrong password")
    with engine.begin() as connection:
        set_password(connection, "ann", "another long one", By("root", "forgotten"))
    assert enter(engine, "another long one").account.name == "ann"
    with pytest.raises(AccessRefused):
        enter(engine)


def test_the_last_admin_stays(engine: Engine) -> None:
    with engine.begin() as connection:
        add_account(connection, "eve", Role.ADMIN, PASSWORD, BY)
        for change in (lambda: disable(connection, "eve", BY), lambda: set_role(connection, "eve", Role.OPERATOR, BY)):
            with pytest.raises(AccessRefused, match="the last admin"):
                change()
        add_account(connection, "adam", Role.ADMIN, PASSWORD, BY)
        set_role(connection, "eve", Role.OPERATOR, By("adam", "new duties"))
        log = changes_of(connection, "account eve")[-1]
    assert (log.person, log.old, log.new) == ("adam", '{"role":"admin"}', '{"role":"operator"}')


@pytest.mark.parametrize(
    ("name", "password", "by", "fault"),
    [
        ("", PASSWORD, BY, "expected a name"),
        (" bob", PASSWORD, BY, "expected a name"),
        ("b\0b", PASSWORD, BY, "printable"),
        ("x" * 65, PASSWORD, BY, "1 to 64"),
        ("ann", PASSWORD, BY, "there is one of this name"),
        ("bob", "short", BY, "10 characters or more"),
        ("bob", "this is Bob's own", BY, "without the account's name"),
        ("bob", PASSWORD, By("root", " "), "expected a reason"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(
    engine: Engine, ann: Account, name: str, password: str, by: By, fault: str
) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        with pytest.raises(AccessRefused, match=fault):
            add_account(connection, name, Role.OPERATOR, password, by)
        transaction.rollback()


def test_nobody_changes_an_account_that_is_not_there(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(AccessRefused, match="there is none of this name"):
        set_role(connection, "nobody", Role.ADMIN, BY)


def test_a_role_that_is_none_is_refused_by_the_database(engine: Engine, ann: Account) -> None:
    with engine.begin() as connection:
        row = dict(connection.execute(select(ACCOUNTS)).mappings().one())
    row |= {"account_id": ann.account_id.__class__(int=1), "name": "bob", "role": "king"}
    with engine.begin() as connection, pytest.raises(IntegrityError, match="ck_accounts_role"):
        connection.execute(insert(ACCOUNTS), row)


def test_every_role_has_its_permissions_and_an_admin_neither_changes_nor_approves(ann: Account) -> None:
    assert set(MAY) == set(Role)
    assert MAY[Role.ADMIN].isdisjoint({Permission.APPROVE, Permission.RECIPES, Permission.LABEL, Permission.MODELS})
    ann.require(Permission.LABEL)
    with pytest.raises(AccessRefused, match="ann is operator and may not approve bundles and limits"):
        ann.require(Permission.APPROVE)


def test_accounts_on_the_command_line(
    database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(words: str, password: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(["account", *words.split(), "--database", database]))

    why = "--by root --reason first"
    assert run(f"add ann --role quality --full-name Ann {why}", PASSWORD) == 0
    assert run(f"role ann --role engineer {why}") == 0
    assert run(f"password ann {why}", "another long one") == 0
    assert run(f"disable ann {why}") == 0
    assert run("list") == 0
    assert "ann                      engineer  disabled  Ann" in capsys.readouterr().out
    assert run(f"enable ann {why}") == 0
    assert enter(engine, "another long one").account.role is Role.ENGINEER
    with engine.connect() as connection:
        log = list(entries(connection))
    assert [each.action for each in log[1:]] == [
        "account made",
        "role changed",
        "password changed",
        "account disabled",
        "account enabled",
    ]
    assert examine(log).finding is None
