"""A station's ledger with stored pictures and labels, for what learns from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from db.engine import open_engine, writing
from db.images import ImageStore
from db.labels import Label, add_label
from db.ledger import Ledger
from db.records import Run
from inspector.draws import Draw, Stratum
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartTag

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)


@dataclass
class Plant:
    """Twelve lots of two rejects, a pass that was drawn and one that was not; all but the last are labelled."""

    folder: Path
    parts: list[InspectionRecord]

    @property
    def database(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def label(self, number: int, name: str, person: str = "ann", minutes: int = 30) -> None:
        engine = open_engine(self.database)
        with writing(engine) as connection:
            at = NOON + timedelta(minutes=minutes)
            add_label(connection, Label(self.parts[number].part_id, name, person, True, at=at))
        engine.dispose()


def make_plant(folder: Path) -> Plant:
    plant = Plant(folder, [])
    store, rng = ImageStore(plant.images), np.random.default_rng(0)
    with Ledger(plant.database) as ledger:
        strata = (Stratum("all", 0.0, None, 0.25),)
        run = Run("press-4", "default", "r", "{}", "b", "classify", ("good", "dent"), {"good": ["good"]}, audit=strata)
        ledger.start_run(run)
        for number in range(48):
            picture = rng.integers(0, 255, (8, 8, 3), np.uint8)
            image = store.put(cv2.imencode(".png", picture)[1].tobytes(), ".png")
            rejected, drawn = number % 4 < 2, number % 4 == 2
            opened = InspectionRecord(
                new_id(),
                run.run_id,
                "press-4",
                "default",
                "b",
                number + 1,
                f"{number}.png",
                NOON,
                tag=PartTag(lot=f"L{number // 4}"),
            )
            judged = replace(
                opened,
                outcome=Outcome.REJECT if rejected else Outcome.PASS,
                label="dent" if rejected else "good",
                defect_probability=0.9 if rejected else 0.01,
                completed_at=NOON,
                image_sha256=image.sha256,
            )
            ledger.open_part(opened)
            ledger.complete_part(judged, image, Draw(0.25, "all") if drawn else None)
            plant.parts.append(judged)
        ledger.end_run(run.run_id, clean=True).result(120)
    for number in range(48):
        if number % 4 != 3:
            plant.label(number, "dent" if number % 4 == 0 else "good")
    return plant
