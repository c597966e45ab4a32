"""Tampering with the audit log: in memory a thousand times, and in both databases past their triggers."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db import command
from db.append_only import allow_changes
from db.audit_checkpoints import checkpoints, examine_log, keep_heads, read_heads, sign_log
from db.audit_keys import new_key, read_private, read_public, write_keys
from db.audit_log import BEGINNING, Change, Entry, record_change
from db.audit_proof import Checkpoint, Fault, examine, sign
from inspector.errors import DatabaseError, UserError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KEY = new_key()
ROWS, STRETCH = 60, 12


def chained(entries: list[Entry], start: int = 0) -> list[Entry]:
    """Number and hash the rows from `start` on anew, as one can without the key."""
    made = entries[:start]
    for number, entry in enumerate(entries[start:], start=start + 1):
        previous = made[-1].hash if made else BEGINNING
        renewed = replace(entry, sequence=number, previous=previous)
        made.append(replace(renewed, hash=renewed.digest()))
    return made


def log(rows: int = ROWS) -> list[Entry]:
    plain = [
        Entry(0, NOON + timedelta(seconds=n), f"p{n % 3}", "x", f"recipe {n}", f"why {n}", None, f'{{"n":{n}}}', "", "")
        for n in range(rows)
    ]
    return chained(plain)


def signed(entries: list[Entry], stretch: int = STRETCH) -> list[Checkpoint]:
    made: list[Checkpoint] = []
    for start in range(0, len(entries), stretch):
        made += sign(entries[start : start + stretch], made[-1] if made else None, KEY, NOON)
    return made


LOG = log()
SIGNED = signed(LOG)


# ---- five ways to tamper: each returns the rows, and the number of the first one that is not as it was


def edit(rows: list[Entry], chance: random.Random) -> tuple[list[Entry], int]:
    at = chance.randrange(len(rows))
    field = chance.choice(["at", "person", "action", "subject", "reason", "old", "new"])
    value: Any = NOON - timedelta(days=1) if field == "at" else f"forged {chance.random()}"
    return [*rows[:at], replace(rows[at], **{field: value}), *rows[at + 1 :]], at + 1


def remove(rows: list[Entry], chance: random.Random) -> tuple[list[Entry], int]:
    at = chance.randrange(len(rows))
    left = [*rows[:at], *rows[at + 1 :]]
    if chance.random() < 0.5:  # the gap is closed
        left = [*left[:at], *(replace(row, sequence=row.sequence - 1) for row in left[at:])]
    return left, at + 1


def put_in(rows: list[Entry], chance: random.Random) -> tuple[list[Entry], int]:
    at = chance.randrange(len(rows))
    forged = replace(chance.choice(rows), reason=f"forged {chance.random()}", sequence=at + 1)
    forged = replace(forged, previous=rows[at - 1].hash if at else BEGINNING)
    forged = replace(forged, hash=forged.digest())
    return [*rows[:at], forged, *(replace(row, sequence=row.sequence + 1) for row in rows[at:])], at + 1


def swap(rows: list[Entry], chance: random.Random) -> tuple[list[Entry], int]:
    one, other = sorted(chance.sample(range(len(rows)), 2))
    changed = list(rows)
    changed[one], changed[other] = replace(rows[other], sequence=one + 1), replace(rows[one], sequence=other + 1)
    return changed, one + 1


def cut_off(rows: list[Entry], chance: random.Random) -> tuple[list[Entry], int]:
    at = chance.randrange(len(rows))
    return rows[:at], at + 1


WAYS = (edit, remove, put_in, swap, cut_off)


def forged_checkpoints(rows: list[Entry], chance: random.Random) -> list[Checkpoint]:
    """What can be done to checkpoints without the key: nothing, rows' hashes put in, or the last ones removed."""
    choice = chance.randrange(3)
    if choice == 0:
        return SIGNED
    if choice == 1:
        hashes = [row.hash for row in rows]
        return [replace(each, hashes="".join(hashes[each.first - 1 : each.last])) for each in SIGNED]
    return SIGNED[: chance.randrange(len(SIGNED))]


def test_a_thousand_tamperings_are_each_found_at_the_very_row() -> None:
    """Half of them with the chain computed anew, a third of those with the checkpoints' hashes replaced or cut off."""
    chance = random.Random(11)
    for number in range(1000):
        rows, first = WAYS[number % len(WAYS)](LOG, chance)
        inside = SIGNED
        if number % 2:
            rows = chained(rows, first - 1)
            inside = forged_checkpoints(rows, chance)
        found = examine(rows, inside, SIGNED, KEY.public)
        assert found.finding is not None, number
        assert found.finding.where == f"row {first}", (number, found.finding)


def test_without_heads_outside_all_is_found_but_an_end_cut_off_with_its_checkpoints() -> None:
    chance = random.Random(12)
    for number in range(300):
        rows, first = WAYS[number % len(WAYS)](LOG, chance)
        rows = chained(rows, first - 1) if number % 2 else rows
        assert examine(rows, SIGNED, (), KEY.public).finding is not None, number
    cut = examine(LOG[:STRETCH], SIGNED[:1], (), KEY.public)
    assert cut.finding is None
    known = examine(LOG[:STRETCH], SIGNED[:1], SIGNED, KEY.public).finding
    assert known is not None
    assert (known.fault, known.where) == (Fault.MISSING, f"row {STRETCH + 1}")


def test_the_chain_alone_finds_what_was_not_computed_anew() -> None:
    chance = random.Random(13)
    for number in range(200):
        way = WAYS[number % 4]
        rows, _ = way(LOG, chance)
        last_row_gone = way is remove and rows == LOG[:-1]
        assert last_row_gone or examine(rows).finding is not None, number


def test_a_sound_log_is_sound_and_says_how_far_it_is_signed() -> None:
    found = examine(LOG, SIGNED[:3], SIGNED[:3], KEY.public)
    assert (found.finding, found.rows, found.signed_to, found.last_signed_at) == (None, ROWS, 3 * STRETCH, NOON)
    assert examine([], (), (), KEY.public).finding is None
    assert examine(LOG).signed_to == 0


def test_rows_behind_the_last_checkpoint_may_be_computed_anew_unseen() -> None:
    """What signing at intervals cannot show, written down as a test."""
    rows = [*LOG[:40], *(replace(row, reason="forged") for row in LOG[40:])]
    assert examine(chained(rows, 40), SIGNED[:3], SIGNED[:3], KEY.public).finding is None


@pytest.mark.parametrize(
    ("tampered", "fault", "where"),
    [
        ([SIGNED[0], *SIGNED[2:]], Fault.MISSING, "checkpoint 2"),
        ([replace(SIGNED[0], at=NOON + timedelta(1)), *SIGNED[1:]], Fault.UNSIGNED, "checkpoint 1"),
        ([SIGNED[0], replace(SIGNED[1], signature="zz"), *SIGNED[2:]], Fault.UNSIGNED, "checkpoint 2"),
        ([SIGNED[0], *signed(LOG)[1:2], *SIGNED[2:]], None, ""),
    ],
)
def test_checkpoints_that_are_not_the_signed_ones_are_named(
    tampered: list[Checkpoint], fault: Fault | None, where: str
) -> None:
    finding = examine(LOG, tampered, (), KEY.public).finding
    assert (finding and finding.fault, finding.where if finding else "") == (fault, where)


def test_heads_of_another_key_prove_nothing_and_are_named() -> None:
    other = new_key()
    forged = sign(LOG, None, other, NOON)
    finding = examine(LOG, forged, forged, KEY.public).finding
    assert finding is not None
    assert (finding.fault, finding.where) == (Fault.UNSIGNED, "head 1 kept outside")


def test_a_log_of_another_plant_does_not_fit_under_the_heads() -> None:
    other = chained([replace(row, reason="elsewhere") for row in LOG])
    finding = examine(other, signed(other), SIGNED, KEY.public).finding
    assert finding is not None
    assert finding.where == "row 1"


# ---- in a database


@pytest.fixture
def kept(engine: Engine) -> Engine:
    """Twelve rows, the first eight under two signatures."""
    for stretch in (3, 3, 5):
        with engine.begin() as connection:
            for _ in range(stretch):
                record_change(connection, Change("ann", "x", "recipe lid", "why"))
        if stretch == 3:
            with engine.begin() as connection:
                sign_log(connection, KEY, NOON)
    return engine


def tamper(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        for table in ("audit_log", "audit_checkpoints"):
            allow_changes(connection, table)
        for one in statement.split(";"):
            connection.execute(text(one))


@pytest.mark.parametrize(
    ("statement", "fault", "where"),
    [
        ("UPDATE audit_log SET person = 'ben' WHERE sequence = 3", Fault.ALTERED, "row 3"),
        ("DELETE FROM audit_log WHERE sequence = 5", Fault.MISSING, "row 5"),
        ("DELETE FROM audit_log WHERE sequence > 6", Fault.MISSING, "row 7"),
        ("DELETE FROM audit_log", Fault.MISSING, "row 1"),
        (
            "UPDATE audit_log SET sequence = 99 WHERE sequence = 4; UPDATE audit_log SET sequence = 4 "
            "WHERE sequence = 9; UPDATE audit_log SET sequence = 9 WHERE sequence = 99",
            Fault.MOVED,
            "row 4",
        ),
        ("UPDATE audit_log SET hash = previous WHERE sequence = 12", Fault.ALTERED, "row 12"),
        ("DELETE FROM audit_checkpoints WHERE number = 1", Fault.MISSING, "checkpoint 1"),
        ("UPDATE audit_checkpoints SET last = 6 WHERE number = 2", Fault.UNSIGNED, "checkpoint 2"),
    ],
)
def test_what_was_done_past_the_triggers_is_named(kept: Engine, statement: str, fault: Fault, where: str) -> None:
    tamper(kept, statement)
    with kept.connect() as connection:
        finding = examine_log(connection, KEY.public).finding
    assert finding is not None
    assert (finding.fault, finding.where) == (fault, where)


def test_a_log_that_was_tampered_with_is_not_signed(kept: Engine) -> None:
    tamper(kept, "UPDATE audit_log SET person = 'ben' WHERE sequence = 11")
    with kept.begin() as connection, pytest.raises(DatabaseError, match="not signed: row 11 is altered"):
        sign_log(connection, KEY, NOON)


def test_signing_what_is_signed_adds_nothing(kept: Engine) -> None:
    with kept.begin() as connection:
        assert [(each.first, each.last) for each in sign_log(connection, KEY, NOON)] == [(8, 12)]
        assert sign_log(connection, KEY, NOON) == []
        assert [each.number for each in checkpoints(connection)] == [1, 2, 3]
        assert examine_log(connection, KEY.public).signed_to == 12


def test_heads_are_kept_once_and_come_back_as_they_were(kept: Engine, tmp_path: Path) -> None:
    heads = tmp_path / "heads.jsonl"
    with kept.connect() as connection:
        there = checkpoints(connection)
    assert keep_heads(heads, there[:1]) == 1
    assert keep_heads(heads, there) == 1
    assert keep_heads(heads, there) == 0
    assert read_heads(heads) == there


@pytest.mark.parametrize("words", ["{", "[1]", '{"number": 1}', None])
def test_a_file_that_holds_no_heads_is_named(tmp_path: Path, words: str | None) -> None:
    path = tmp_path / "heads.jsonl"
    if words is not None:
        path.write_text(words)
    with pytest.raises(UserError, match=r"heads.jsonl: "):
        read_heads(path)


# ---- keys


def test_keys_come_back_and_the_private_one_is_its_owners_alone(tmp_path: Path) -> None:
    private, public = write_keys(KEY, tmp_path)
    assert private.stat().st_mode & 0o777 == 0o600
    assert read_private(private).key_id == read_public(public).key_id == KEY.key_id
    with pytest.raises(UserError, match="cannot be written"):
        write_keys(new_key(), tmp_path)
    assert read_private(private).key_id == KEY.key_id


@pytest.mark.parametrize(("read", "words"), [(read_private, b"x"), (read_public, b"x"), (read_public, None)])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, read: Callable[[Path], object], words: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if words is not None:
        path.write_bytes(words)
    with pytest.raises(UserError, match=r"key.pem: (no (private|public) key|key cannot be read)"):
        read(path)


# ---- on the command line


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_the_log_is_signed_verified_and_found_out(
    database: str, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine.begin() as connection:
        record_change(connection, Change("ann", "x", "recipe lid", "why"))
    heads, key, report = tmp_path / "heads.jsonl", tmp_path / "audit-key.pub.pem", tmp_path / "verified.json"
    assert run("audit-key", str(tmp_path)) == 0
    words = ("--database", database, "--heads", str(heads), "--key")
    assert run("sign-audit", *words, str(tmp_path / "audit-key.pem")) == 0
    assert run("verify-audit", *words, str(key), "--json", str(report)) == 0
    assert run("verify-audit", "--database", database) == 0
    said = capsys.readouterr().out
    assert "2 rows signed; 1 checkpoints kept" in said
    assert "2 rows in an unbroken chain, signed to row 2, 0 since" in said
    assert "signatures not looked at: no --key" in said
    assert json.loads(report.read_text())["sound"] is True
    tamper(engine, "UPDATE audit_log SET reason = 'another' WHERE sequence = 2")
    with pytest.raises(DatabaseError, match="audit log: row 2 is altered"):
        run("verify-audit", *words, str(key), "--json", str(report))
    found = json.loads(report.read_text())
    assert (found["sound"], found["fault"], found["where"]) == (False, "altered", "row 2")


def test_heads_without_a_key_prove_nothing(database: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="--heads: needs --key"):
        run("verify-audit", "--database", database, "--heads", str(tmp_path / "heads.jsonl"))
