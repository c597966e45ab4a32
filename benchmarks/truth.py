"""What the fault campaign holds a ledger against: pictures that carry their number, and the network itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from benchmarks.faulty import number_of, picture
from db.engine import open_engine
from db.images import ImageStore
from db.records import inspection_from_rows
from db.tables import FINDINGS, INSPECTIONS, OUTBOX
from inspector.bundle import load_bundle
from inspector.errors import DatabaseError, StorageFault
from inspector.inspection import Inspector
from inspector.preprocess import decode_image
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings
from inspector.values import Frame, InspectionRecord, Outcome

_CLOSE = 1e-5


@dataclass
class Account:
    """What was found so far, by invariant, and how many parts were looked at."""

    broken: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    """Of every part, in the order of the openings."""
    judged: list[int] = field(default_factory=list)
    """Places of the parts that were judged, in the order of the openings."""
    passed: set[str] = field(default_factory=set)
    position: int = 0
    next_number: int = 0

    def take(self, part: InspectionRecord, truth: Truth) -> None:
        """Hold one part, in the order of the openings, against the truth."""
        self.broken["parts_doubled"] += part.sequence < self.next_number
        self.broken["parts_without_a_row"] += max(0, part.sequence - self.next_number)
        self.next_number = max(self.next_number, part.sequence + 1)
        self.outcomes[str(part.outcome)] += 1
        self.ids.append(str(part.part_id))
        if part.outcome is Outcome.PASS:
            self.passed.add(str(part.part_id))
        self.broken["images_under_the_wrong_row"] += truth.is_of_another(part)
        self.broken["rows_without_reason"] += part.outcome is not Outcome.PASS and not part.reasons
        self.broken["passes_not_truly_inspected"] += part.outcome is Outcome.PASS and not truth.passes(part)


class Truth:
    """What a part's picture is, and what the network says of it when nothing hurts it."""

    def __init__(self, bundle: Path, images: Path) -> None:
        settings = RuntimeSettings(threads=1)
        self._inspector = Inspector(load_bundle(bundle), Recipe(runtime=settings))
        self._images = images

    def passes(self, part: InspectionRecord) -> bool:
        frame = Frame(picture(part.sequence), "truth", part.sequence, datetime.now(UTC), "")
        verdict = self._inspector.inspect([frame]).verdict
        if verdict.outcome is not Outcome.PASS or verdict.defect_probability is None or not part.views:
            return False
        return abs((part.defect_probability or 0.0) - verdict.defect_probability) < _CLOSE

    def is_of_another(self, part: InspectionRecord) -> bool:
        """Whether the part's image is not there, or shows another part; one that was looked at is taken away."""
        if part.image_sha256 is None:
            return False
        try:
            content = ImageStore(self._images).read(part.image_sha256)
        except StorageFault:
            return True
        for file in (self._images / part.image_sha256[:2] / part.image_sha256[2:4]).glob(f"{part.image_sha256}.*"):
            file.unlink()
        return number_of(decode_image(content, part.image_sha256)) != part.sequence


# ---- the ledger


@contextmanager
def ledger(folder: Path) -> Iterator[Connection | None]:
    """Yield a connection to the ledger of a station in `folder`; None where it is not made yet."""
    path = folder / "ledger.sqlite"
    try:
        engine = open_engine(path)
    except DatabaseError:
        yield None
        return
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def newest(folder: Path) -> int:
    """Return the place of the newest part in the order of the openings."""
    with ledger(folder) as connection:
        query = select(func.coalesce(func.max(OUTBOX.c.position), 0))
        return 0 if connection is None else connection.execute(query).scalar_one()


def next_parts(folder: Path, after: int) -> list[tuple[int, InspectionRecord]]:
    """The completed parts behind a place, with theirs, up to the first that is open."""
    parts: list[tuple[int, InspectionRecord]] = []
    with ledger(folder) as connection:
        if connection is None:
            return []
        joined = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
        query = select(OUTBOX.c.position, INSPECTIONS).select_from(joined).where(OUTBOX.c.position > after)
        for row in connection.execute(query.order_by(OUTBOX.c.position)).mappings().all():
            if row["outcome"] is None:
                break
            findings = select(FINDINGS).where(FINDINGS.c.part_id == row["part_id"]).order_by(FINDINGS.c.view)
            parts.append((row["position"], inspection_from_rows(row, connection.execute(findings).mappings())))
    return parts


def part_ids(folder: Path) -> list[str]:
    """Return every part in the order of the openings, those without a verdict too."""
    with ledger(folder) as connection:
        if connection is None:
            return []
        ids = connection.execute(select(OUTBOX.c.part_id).order_by(OUTBOX.c.position)).scalars()
        return [str(part) for part in ids]
