"""A ledger with parts to review, and a window on it. Qt needs no display here: its platform is `offscreen`."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cv2
import numpy as np
import pytest
from sqlalchemy import Connection, event, select, update

from db.accounts import By, Role, add_account
from db.bundle_states import BundleState, StateChange, set_state
from db.bundles import KnownBundle, register_bundle
from db.challenges import ChallengePart, register
from db.engine import open_engine
from db.images import ImageStore
from db.jobs import Job, enqueue, lease, progress
from db.labels import Label, LabelTask, TaskKind, add_label, add_tasks
from db.ledger import Ledger
from db.records import Run, utc_now
from db.servings import Served
from db.sessions import Session, signed_in
from db.shadow import ShadowVerdict, write_shadow
from db.tables import FINDINGS, INSPECTIONS, LABELS, RUNS
from gui.database import Source, open_source, reading, writing
from inspector.bundle import load_bundle
from inspector.errors import InspectorError
from inspector.ids import new_id
from inspector.values import Finding, InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection

PASSWORD = "correct horse battery"
CLASSES = ("good", "dent", "scratch", "stain")
MANIFEST: dict[str, Any] = {"good": ["good"], "limits": {"pass_below": 0.1, "reject_above": 0.8}}
USUAL = {Outcome.PASS: 0.02, Outcome.REVIEW: 0.4, Outcome.REJECT: 0.95}
"""Defect probability of a part."""


class Plant:
    """A station's ledger and images, with persons who may sign in."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.path, self.images = folder / "ledger.sqlite", ImageStore(folder / "images")
        self.camera: Callable[[int], bytes] = picture
        """Takes the picture of each part, as a PNG."""
        self.found: Callable[[int], Finding] = lambda _: Finding("scratch", 0.9, 60, 60, 70, 95)
        """What a part that is not passed has, and where."""
        self.heat_png: bytes | None = None
        shutil.copy(model, self.path)
        self.bundle_id = "b" * 64
        self._trigger = 0
        run = Run("press-4", "flange", "r" * 64, "{}", "b" * 64, "classify", CLASSES, MANIFEST)
        with Ledger(self.path) as ledger:
            self.run_id = ledger.start_run(run)

    def parts(
        self, *outcomes: Outcome, probability: float | None = None, challenge: UUID | None = None
    ) -> list[InspectionRecord]:
        """Put parts of these outcomes into the ledger, each with a picture of its own."""
        with Ledger(self.path) as ledger:
            return [self._part(ledger, outcome, probability, challenge) for outcome in outcomes]

    def challenge(self) -> UUID:
        """Register a part of known truth."""
        part, source = ChallengePart("press-4", "RR-1", "ann"), self.source()
        with writing(source.engine) as connection:
            register(connection, part)
        source.engine.dispose()
        return part.challenge_id

    def ask(self, record: InspectionRecord, kind: TaskKind, person: str | None = None) -> None:
        source = self.source()
        with writing(source.engine) as connection:
            add_tasks(connection, [LabelTask(record.part_id, kind, person, None if kind is TaskKind.REVIEW else 0.5)])
        source.engine.dispose()

    def source(self) -> Source:
        return open_source(str(self.path))

    def _part(
        self, ledger: Ledger, outcome: Outcome, probability: float | None, challenge: UUID | None
    ) -> InspectionRecord:
        self._trigger += 1
        image = self.images.put(self.camera(self._trigger), ".png")
        opened = InspectionRecord(
            part_id=new_id(),
            run_id=self.run_id,
            station="press-4",
            recipe="flange",
            bundle_id=self.bundle_id,
            trigger=self._trigger,
            source=f"{self._trigger}.png",
            triggered_at=utc_now() + timedelta(milliseconds=self._trigger),
            sequence=self._trigger - 1,
            challenge_id=challenge,
        )
        judged = _judged(opened, outcome, probability, image.sha256, self.found(self._trigger))
        judged = dataclasses.replace(judged, views=(dataclasses.replace(judged.views[0], heat_png=self.heat_png),))
        ledger.open_part(opened)
        ledger.complete_part(judged, image, None).result(10)
        return judged


def picture(number: int) -> bytes:
    """A plate with a scratch, (240, 320, 3); every number has another one."""
    image = np.full((240, 320, 3), 120, np.uint8)
    cv2.rectangle(image, (40, 30), (280, 210), (190, 190, 190), -1)
    cv2.line(image, (60 + number, 60), (120 + 2 * number, 150), (70, 70, 70), 2)
    return bytes(cv2.imencode(".png", image)[1])


def _judged(
    part: InspectionRecord, outcome: Outcome, probability: float | None, sha256: str, finding: Finding
) -> InspectionRecord:
    usual = USUAL[outcome]
    label = "good" if outcome is Outcome.PASS else finding.label
    chance = usual if probability is None else probability
    findings = () if outcome is Outcome.PASS else (finding,)
    prediction = Prediction(label, (1 - chance, 0.0, chance, 0.0), chance, (1.0,), findings)
    verdict = Verdict(outcome, (f"defect probability {chance:.2f}",), chance, label)
    view = ViewInspection("top", part.sequence, part.source, Quality(100, 120, 0, 0), prediction, verdict, {}, sha256)
    return dataclasses.replace(
        part,
        outcome=outcome,
        reasons=verdict.reasons,
        label=label,
        defect_probability=chance,
        latency_ms=8.5,
        completed_at=utc_now(),
        image_sha256=sha256,
        views=(view,),
    )


def at_once(
    topic: str, question: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[Any], None]
) -> None:
    """An `Ask` that answers before it returns."""
    try:
        answer = question()
    except InspectorError as error:
        failed(error)
    else:
        then(answer)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with accounts: a migration takes a tenth of a second, a password as long."""
    path = tmp_path_factory.mktemp("desktop") / "model.sqlite"
    engine = open_engine(path, create=True)
    by = By("root", "for a test")
    with writing(engine) as connection:
        roles = {"ann": Role.QUALITY, "ben": Role.OPERATOR, "root": Role.ADMIN, "eve": Role.ENGINEER}
        for name, role in roles.items():
            add_account(connection, name, role, PASSWORD, by)
    engine.dispose()
    return path


@pytest.fixture
def plant(tmp_path: Path, model_file: Path) -> Plant:
    return Plant(tmp_path, model_file)


@pytest.fixture
def source(plant: Plant) -> Iterator[Source]:
    source = plant.source()
    yield source
    source.engine.dispose()


@pytest.fixture
def session(source: Source) -> Callable[[str], Session]:
    return lambda name: signed_in(source.engine, name, PASSWORD, "a test")


@pytest.fixture
def labels(plant: Plant) -> Iterator[Callable[[], list[Any]]]:
    """Return the rows of `labels` in the order in which they were given."""
    source = plant.source()

    def read() -> list[Any]:
        with reading(source.engine) as connection:
            return list(connection.execute(select(LABELS).order_by(LABELS.c.at, LABELS.c.label_id)))

    yield read
    source.engine.dispose()


@pytest.fixture
def off_the_gui_thread(source: Source) -> Iterator[None]:
    """Fail a test in which the GUI thread speaks to the database."""
    gui, guilty = threading.get_ident(), []

    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        if threading.get_ident() == gui:
            guilty.append(statement)

    event.listen(source.engine, "before_cursor_execute", look)
    yield
    event.remove(source.engine, "before_cursor_execute", look)
    assert guilty == []


OLD, NOW = (hashlib.sha256(word).hexdigest() for word in (b"what served before", b"what serves"))
"""What served before, and what serves."""
SERVED_MANIFEST = {
    **MANIFEST,
    "limits": {**MANIFEST["limits"], "origin": "certified at 95 %: escape at most 1 %, overkill at most 5 %"},
    "lineage": {"created_at": "2026-11-02T09:30:00+00:00"},
}
SAID = (Outcome.PASS, Outcome.REJECT, Outcome.PASS, Outcome.PASS)
"""What the candidate said in the shadow of the first parts."""
DID = (Outcome.PASS, Outcome.REJECT, Outcome.REJECT, Outcome.PASS, Outcome.REVIEW, Outcome.PASS)
LABELLED = ("good", "scratch", "scratch", "good", "dent", None)


class Workshop:
    """A station that served two bundles, a candidate in its shadow, labels, and a training under way."""

    def __init__(self, plant: Plant, source: Source, candidate: Path) -> None:
        self.plant, self.source, self.station = plant, source, "press-4"
        bundle = load_bundle(candidate)
        self.candidate = bundle.id
        with writing(source.engine) as connection:
            for bundle_id in (OLD, NOW):
                register_bundle(connection, KnownBundle(bundle_id, "classify", CLASSES, SERVED_MANIFEST))
                for state in (BundleState.CANDIDATE, BundleState.APPROVED):
                    set_state(connection, StateChange(bundle_id, state, "quinn", "no worse on any class"))
        with Ledger(plant.path) as ledger:
            for bundle_id in (OLD, NOW):
                run = Run(self.station, "flange", "r" * 64, "{}", bundle_id, "classify", CLASSES, SERVED_MANIFEST)
                plant.run_id = ledger.start_run(run, Served(Path(f"/bundles/{bundle_id[:16]}")))
        plant.bundle_id = NOW
        self.parts = plant.parts(*DID)
        with writing(source.engine) as connection:
            running = update(RUNS).where(RUNS.c.run_id == plant.run_id)
            connection.execute(running.values(ended_at=None, clean=None))
            content = bundle.manifest.model_dump(mode="json")
            register_bundle(connection, KnownBundle(bundle.id, "classify", bundle.manifest.classes, content))
            proposed = StateChange(bundle.id, BundleState.CANDIDATE, "trainer", "not worse on 40 parts")
            set_state(connection, proposed)
            self._shadow(connection)
            for record, label in zip(self.parts, LABELLED, strict=True):
                if label is not None:
                    add_label(connection, Label(record.part_id, label, "ann", blind=False))
            self.job_id = enqueue(connection, Job("flange", "eve", "new scratches", parent_bundle_id=NOW))
            held = lease(connection, "box-7 4211", utc_now())
            assert held is not None
            progress(connection, held, 0.4, "train: epoch 8 of 20", utc_now())

    def _shadow(self, connection: Connection) -> None:
        said = [
            ShadowVerdict(record.part_id, "top", self.candidate, Verdict(outcome, ("said",), 0.05, None), utc_now())
            for record, outcome in zip(self.parts, SAID, strict=False)
        ]
        write_shadow(connection, said)


@pytest.fixture
def make_workshop(plant: Plant, source: Source, tmp_path: Path) -> Callable[[Path], Workshop]:
    """The candidate's folder lies where finished bundles appear."""

    def make(candidate: Path) -> Workshop:
        shutil.copytree(candidate, tmp_path / "bundles" / candidate.name)
        return Workshop(plant, source, candidate)

    return make


@pytest.fixture
def workshop(make_workshop: Callable[[Path], Workshop], bundle_path: Path) -> Workshop:
    return make_workshop(bundle_path)


WEEK = 96
DEFECTS = ("scratch", "dent", "stain")


def week_outcome(number: int) -> Outcome:
    """Every 12th part is rejected, at the end every other; four go to review."""
    if number % 12 == 5 or (number > 80 and number % 2 == 0):
        return Outcome.REJECT
    return Outcome.REVIEW if number % 16 == 9 else Outcome.PASS


def week_label(number: int) -> str | None:
    """What ann says: 40 labels, 14 defective. Four rejects are good, one passed part is not."""
    outcome, defect = week_outcome(number), DEFECTS[number // 12 % 3]
    if outcome is Outcome.REJECT:
        return "good" if number % 24 == 5 else defect
    if outcome is Outcome.REVIEW:
        return "good" if number % 32 == 9 else defect
    return None if number % 4 else defect if number == 40 else "good"


def week_probability(number: int, noise: random.Random) -> float:
    low, width = {Outcome.PASS: (0.0, 0.09), Outcome.REVIEW: (0.15, 0.6), Outcome.REJECT: (0.82, 0.17)}[
        week_outcome(number)
    ]
    return 0.097 if number == 40 else low + width * noise.betavariate(1, 4)


@pytest.fixture
def week(plant: Plant, source: Source) -> Plant:
    """Four days of parts, one an hour; the light gets brighter where the rejects begin."""
    records = plant.parts(*map(week_outcome, range(WEEK)))
    noise, start = random.Random(3), utc_now() - timedelta(hours=WEEK)
    with writing(source.engine) as connection:
        for number, record in enumerate(records):
            label = DEFECTS[number // 12 % 3] if week_outcome(number) is not Outcome.PASS else "good"
            part = {
                "triggered_at": start + timedelta(hours=number),
                "lot": f"lot-{number // 48}",
                "defect_probability": week_probability(number, noise),
                "label": label,
                "latency_ms": 8 + noise.expovariate(0.5),
            }
            mine = INSPECTIONS.c.part_id == record.part_id
            connection.execute(update(INSPECTIONS).where(mine).values(part))
            brightness = 120 + noise.gauss(0, 2) + (8 if number > 80 else 0)
            view = update(FINDINGS).where(FINDINGS.c.part_id == record.part_id)
            connection.execute(view.values(brightness=brightness))
            if (said := week_label(number)) is not None:
                add_label(connection, Label(record.part_id, said, "ann", blind=False))
    return plant
