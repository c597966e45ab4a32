"""A release at a running station: a candidate that turns bad goes back by itself, a good one arrives and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select

from benchmarks.release import STATION, Line, begun, bring, running, twin, wait
from db.audit_log import changes_of
from db.bundle_states import BundleState, state_of
from db.engine import writing
from db.entries import insert_new
from db.order_tables import SHADOW_VERDICTS
from db.orders import OrderKind, OrderState, orders
from db.queries import latest
from db.records import utc_now
from db.release.rows import Release, steps_of
from db.release.stepping import Stations, advance
from db.servings import last_serving
from db.tables import INSPECTIONS
from inspector.bundle import write_bundle
from inspector.cli import main
from inspector.release.chain import StepKind
from inspector.release.settings import ReleaseSettings, ReleaseStation, ShadowSettings, WatchSettings
from inspector.values import Outcome, Verdict
from tests.conftest import brightness_network, bundle_files, golden, manifest

SETTINGS = ReleaseSettings(
    station=(ReleaseStation(name=STATION, database="set by begun"),),
    shadow=ShadowSettings(parts=120, escape_margin=0.04),
    watch=WatchSettings(parts=150),
)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).normal(0, 12, (96, 128, 3))
        image = np.clip((40 if number % 12 == 0 else 215) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"{number:03}.png"), image)
    files = bundle_files(brightness_network())
    plain = write_bundle(tmp_path / "plain", manifest(), files)
    serving = write_bundle(tmp_path / "serving", manifest(), {**files, **golden(plain)})
    with running(tmp_path, serving, rate_hz=60.0) as started:
        yield started


def in_the_shadow(line: Line, release: Release) -> None:
    """Bring a release into the shadow, and have 120 parts judged there: those that a busy machine skips as it would."""
    with Stations(release) as stations:
        wait(lambda: bool(advance(line.engine, release, stations)))
    wait(lambda: order_of(line, OrderKind.SHADOW) is not None)
    since = order_of(line, OrderKind.SHADOW)
    wait(lambda: judged_since(line, since) >= 130)
    judged = [
        {"part_id": part, "camera": "camera-1", "bundle_id": release.bundle_id, "outcome": verdict.outcome.value}
        | {"reasons": list(verdict.reasons), "label": None, "defect_probability": None, "judged_at": utc_now()}
        for part, verdict in unshaded(line, since)
    ]
    if skipped := judged[:-5]:  # the newest may be judged in a moment
        with writing(line.engine) as connection:  # the station's own shadow may have judged one of them by now
            connection.execute(insert_new(connection, SHADOW_VERDICTS), skipped)


def judged_since(line: Line, since: datetime | None) -> int:
    judged = INSPECTIONS.c.triggered_at >= since, INSPECTIONS.c.outcome.is_not(None)
    with line.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(INSPECTIONS).where(*judged)).scalar_one())


def unshaded(line: Line, since: datetime | None) -> list[tuple[UUID, Verdict]]:
    """Judged parts that nothing was said of in the shadow, and what the serving bundle said of them."""
    said = select(SHADOW_VERDICTS.c.part_id)
    query = select(INSPECTIONS).where(INSPECTIONS.c.triggered_at >= since, INSPECTIONS.c.part_id.not_in(said))
    judged = query.where(INSPECTIONS.c.outcome.is_not(None)).order_by(INSPECTIONS.c.part_id)
    with line.engine.connect() as connection:
        rows = connection.execute(judged).all()
    return [(row.part_id, Verdict(Outcome(row.outcome), tuple(row.reasons))) for row in rows]


def order_of(line: Line, kind: OrderKind) -> datetime | None:
    """When the newest order of a kind was done."""
    with line.engine.connect() as connection:
        given = [each for each in orders(connection, STATION) if each.order.kind is kind]
    return given[-1].settled_at if given else None


def kinds(line: Line, release: Release) -> list[StepKind]:
    with line.engine.connect() as connection:
        return [step.move.kind for step in steps_of(connection, release.release_id)]


def serves(line: Line) -> str:
    with line.engine.connect() as connection:
        served = last_serving(connection, STATION)
    assert served is not None
    return served.bundle_id


def test_a_candidate_that_turns_bad_on_the_line_goes_back_within_two_hundred_parts(line: Line) -> None:
    former = serves(line)
    release = begun(line, twin(line.config.station.bundle, line.config.station.folder / "new"), SETTINGS)
    in_the_shadow(line, release)
    told = bring(line, release, shift=0.6)
    assert told.end is StepKind.WENT_BACK
    assert told.serves_former
    assert told.parts <= 200
    assert serves(line) == former
    with line.engine.connect() as connection:
        assert state_of(connection, release.bundle_id) is BundleState.REFUSED
        audited = [entry.action for entry in changes_of(connection, release.subject)]
        done = [(each.order.kind, each.state) for each in orders(connection, STATION)]
    expected = [OrderKind.SHADOW, OrderKind.BUNDLE, OrderKind.ROLLBACK]
    assert done == [(kind, OrderState.DONE) for kind in expected]
    assert audited == ["release begun", *(f"release: {kind}" for kind in kinds(line, release))]
    wait(lambda: newest(line) == former)


def newest(line: Line) -> str:
    with line.engine.connect() as connection:
        return latest(connection, 1)[0].bundle_id


def test_a_good_candidate_arrives_and_one_command_takes_it_back(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    former, url = serves(line), line.config.database_url
    release = begun(line, twin(line.config.station.bundle, line.config.station.folder / "new"), SETTINGS)
    in_the_shadow(line, release)
    assert bring(line, release, shift=None).end is StepKind.RELEASED
    assert serves(line) == release.bundle_id
    words = [
        "release",
        "back",
        str(release.release_id),
        "--database",
        url,
        "--by",
        "ann",
        "--reason",
        "rejects doubled",
    ]
    assert main(words) == 0
    wait(lambda: serves(line) == former)
    wait(lambda: main(["release", "step", "--database", url]) == 0 and kinds(line, release)[-1] is StepKind.WENT_BACK)
    assert "went back" in capsys.readouterr().out
    with line.engine.connect() as connection:
        assert state_of(connection, release.bundle_id) is BundleState.RETIRED
