"""Passes drawn for audit, on a whole station: real processes, a real ledger, real pictures."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.engine import open_engine
from db.images import ImageStore
from db.queries import events, records
from db.tables import AUDIT_STRATA, LABEL_TASKS
from inspector.draws import AuditSettings, draw_pass, fingerprint, read_key, strata_of
from inspector.errors import ConfigError
from inspector.values import InspectionRecord, Outcome, Verdict
from inspector.verdict import Policy
from station.auditing import KEY_FILE, audit_plan, make_key
from station.config import StationConfig, station_config
from station.running import RunSummary, run_station


def audited(config: StationConfig, **audit: Any) -> StationConfig:
    return config.model_copy(update={"audit": AuditSettings(**audit)})


def look(summary: RunSummary) -> tuple[list[InspectionRecord], list[Any], list[Any]]:
    engine = open_engine(summary.database)
    try:
        with engine.connect() as connection:
            tasks = connection.execute(select(LABEL_TASKS)).all()
            strata = connection.execute(select(AUDIT_STRATA)).all()
            return records(connection, summary.run_id), list(tasks), list(strata)
    finally:
        engine.dispose()


@pytest.mark.parametrize("keep_images", ["none", "not-pass"])
def test_a_drawn_pass_passes_and_leaves_a_task_and_its_picture(make_config, keep_images: str) -> None:
    config = audited(make_config(keep_images=keep_images), share=1)
    parts, tasks, strata = look(run_station(config, threading.Event()))
    passes = {part.part_id for part in parts if part.outcome is Outcome.PASS}
    assert len(parts) == 12
    assert {task.part_id for task in tasks} == passes
    assert len(passes) == len(tasks) == 8
    assert {(task.kind, task.inclusion_probability, task.stratum) for task in tasks} == {
        ("AUDIT", 1.0, "0 to 1 of the limit")
    }
    assert [(one.stratum, one.share) for one in strata] == [("0 to 1 of the limit", 1.0)]
    store = ImageStore(config.images)
    assert all(store.read(part.image_sha256) for part in parts if part.part_id in passes and part.image_sha256)
    assert all(part.image_sha256 for part in parts if part.part_id in passes)


def test_the_draws_can_be_made_again_by_whoever_has_the_key(make_config) -> None:
    config = audited(make_config(), share=0.5)
    parts, tasks, strata = look(run_station(config, threading.Event()))
    key, plan = read_key(config.station.folder / KEY_FILE), strata_of(AuditSettings(share=0.5), 1.0)
    assert len(strata) == 1
    again = {part.part_id for part in parts if part.outcome and draw_pass(key, plan, part.part_id, _verdict(part))}
    assert {task.part_id for task in tasks} == again


def _verdict(part: InspectionRecord) -> Verdict:
    assert part.outcome is not None
    return Verdict(part.outcome, part.reasons, part.defect_probability, part.label)


def test_an_event_tells_the_plan_and_not_the_key(make_config) -> None:
    config = audited(make_config(), share=0.5)
    summary = run_station(config, threading.Event())
    key = read_key(config.station.folder / KEY_FILE)
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        (told,) = [event.message for event in events(connection, 50) if event.kind == "audit draws"]
    engine.dispose()
    assert told == f"50 % of passes at 0 to 1 of the limit; key {fingerprint(key)}"
    assert key.hex() not in told
    plan = audit_plan(config, Policy(pass_below=0.2, reject_above=0.5))
    assert plan is not None
    assert key.hex() not in repr(plan)
    assert repr(key) not in repr(plan)


def test_without_an_audit_nothing_is_drawn_and_no_key_is_made(make_config) -> None:
    config = make_config()
    _, tasks, strata = look(run_station(config, threading.Event()))
    assert (tasks, strata) == ([], [])
    assert not (config.station.folder / KEY_FILE).exists()


def test_the_key_is_made_once_for_the_stations_account_only(tmp_path: Path) -> None:
    path = make_key(tmp_path)
    key = read_key(tmp_path / KEY_FILE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_key(tmp_path) == path
    assert read_key(tmp_path / KEY_FILE) == key
    assert len(key) == 32
    assert [found.name for found in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("words", [b"", b"abcd", b"zz" * 32, b"\xff" * 64, b"ab" * 33])
def test_a_damaged_key_is_refused_by_name(tmp_path: Path, words: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(words)
    with pytest.raises(ConfigError, match=r"audit.key: key of the audit draws: expected 64 hexadecimal digits"):
        read_key(tmp_path / KEY_FILE)


def test_a_key_that_cannot_be_made_or_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audit.key: key of the audit draws cannot be made"):
        make_key(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"audit.key: cannot be read"):
        read_key(tmp_path / KEY_FILE)


@pytest.mark.parametrize(
    ("audit", "fault"),
    [
        ({"share": 0}, "audit.share: input should be greater than 0"),
        ({"share": 0.1, "bands": [{"above": 2, "share": 0.1}]}, "audit.bands.0.above: input should be less than 1"),
        ({}, "audit.share: missing"),
    ],
)
def test_a_wrong_audit_block_is_refused_by_field(tmp_path: Path, audit: dict[str, Any], fault: str) -> None:
    content = {
        "station": {"name": "a", "folder": ".", "bundle": "b"},
        "camera": {"kind": "folder", "path": "."},
        "audit": audit,
    }
    with pytest.raises(ConfigError, match=f"line.toml: {fault}"):
        station_config(content, "line.toml", tmp_path)
