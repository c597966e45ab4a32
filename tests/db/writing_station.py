"""A station in a process of its own, to be killed: `writing_station.py DATABASE STATION PARTS [IMAGES]`.

Says on its standard output, one line each and only when it is durable: `opened PART TRIGGER` and `completed PART`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from db.images import ImageStore, StoredImage
from db.ledger import Ledger
from db.records import Run
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Quality, Verdict, ViewInspection


def main(database: str, station: str, parts: int, store: ImageStore | None) -> None:
    with Ledger(database) as ledger:
        recovery = ledger.recover(station)
        run_id = ledger.start_run(Run(station, "bracket", "r", "", "b", "classify", ("good",)))
        waiting: list[Future[None]] = []
        for number in range(parts):
            part = InspectionRecord(
                part_id=new_id(),
                run_id=run_id,
                station=station,
                recipe="bracket",
                bundle_id="b",
                trigger=recovery.next_trigger + number,
                sequence=recovery.next_sequence + number,
                source="",
                triggered_at=datetime.now(UTC),
            )
            opened = ledger.open_part(part)
            opened.add_done_callback(partial(say, f"opened {part.part_id} {part.trigger}"))
            image = None if store is None or number % 3 else store.put(f"{part.part_id}".encode(), ".png")
            completed = ledger.complete_part(judged(part, image), image)
            completed.add_done_callback(partial(say, f"completed {part.part_id}"))
            waiting.append(completed)
            if number % 4 == 3:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
        ledger.end_run(run_id, clean=True).result()


def judged(part: InspectionRecord, image: StoredImage | None) -> InspectionRecord:
    view = ViewInspection("top", part.sequence, "", Quality(1.0, 1.0, 0.0, 0.0), None, Verdict(Outcome.PASS, (), 0.5))
    return InspectionRecord(
        **{name: getattr(part, name) for name in ("part_id", "run_id", "station", "recipe", "bundle_id", "trigger")},
        sequence=part.sequence,
        source=part.source,
        triggered_at=part.triggered_at,
        outcome=Outcome.PASS,
        defect_probability=0.5,
        completed_at=datetime.now(UTC),
        image_sha256=None if image is None else image.sha256,
        views=(view,),
    )


def say(words: str, future: Future[None]) -> None:
    future.result()
    os.write(1, f"{words}\n".encode())


if __name__ == "__main__":
    images = ImageStore(Path(sys.argv[4])) if len(sys.argv) > 4 else None
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), images)
