"""What the review screen asks of the database and of the pictures. Everything here runs on a worker's thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection, exists, select

from db.accounts import Permission
from db.label_marks import add_marks
from db.labels import GOOD, Label, add_label
from db.leases import release, require, take
from db.order_tables import SERVINGS
from db.queries import part
from db.records import utc_now
from db.sessions import Session, touch
from db.tables import BUNDLES, LABELS, RUNS
from gui.database import Source, reading, writing
from gui.limits import limits_of
from gui.picture import Pyramid, pyramid
from gui.review.queue import Need, QueuedPart, review_queue
from inspector.bundle import load_bundle
from inspector.drawn import Drawing
from inspector.errors import BundleError, LabelRefused
from inspector.ids import new_id
from inspector.preprocess import decode_image, read_image
from inspector.values import InspectionRecord


@dataclass(frozen=True, slots=True)
class PartInHand:
    """A part that is this window's to label."""

    queued: QueuedPart
    record: InspectionRecord
    good: str
    defects: tuple[str, ...]
    """The bundle's classes of defect, in its order: the number keys."""
    limits: tuple[float, float] | None
    """The policy that judged it: `pass_below`, `reject_above`."""

    @property
    def verdict_label(self) -> str | None:
        """What the machine would call the part; None where no network judged it."""
        return self.record.label


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person says of the part in hand."""

    queued: QueuedPart
    label: str
    note: str
    drawing: Drawing | None
    corrects: bool


class Desk(Protocol):
    """The questions of the review controller."""

    def queue(self, session: Session) -> tuple[QueuedPart, ...]: ...

    def take(self, session: Session, queued: QueuedPart, again: bool) -> PartInHand | None:
        """None: another has it, or it was answered meanwhile. `again`: it was, by this person, who corrects it."""
        ...

    def give_back(self, session: Session, part_id: UUID) -> None: ...

    def keep(self, session: Session, part_id: UUID) -> None:
        """Go on holding a part that takes longer. Raise LabelRefused where another has it now."""
        ...

    def label(self, session: Session, answer: Answer) -> None:
        """Append a label. Raise AccessRefused where the session is over, LabelRefused where it is not taken."""
        ...


class DatabaseDesk:
    """A `Desk` on a database."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._holder = new_id()

    def queue(self, session: Session) -> tuple[QueuedPart, ...]:
        with reading(self._source.engine) as connection:
            return review_queue(connection, session.account.name, self._holder, utc_now())

    def take(self, session: Session, queued: QueuedPart, again: bool) -> PartInHand | None:
        with writing(self._source.engine) as connection:
            if not again and _answered(connection, queued, session.account.name):
                return None
            if not take(connection, queued.part_id, self._holder, session.account.name, utc_now()):
                return None
            return _in_hand(connection, queued)

    def give_back(self, session: Session, part_id: UUID) -> None:
        with writing(self._source.engine) as connection:
            release(connection, part_id, self._holder, utc_now())

    def keep(self, session: Session, part_id: UUID) -> None:
        with writing(self._source.engine) as connection:
            require(connection, part_id, self._holder, session.account.name, utc_now())

    def label(self, session: Session, answer: Answer) -> None:
        part_id, person = answer.queued.part_id, session.account.name
        label = Label(part_id, answer.label, person, answer.queued.blind, answer.note)
        with writing(self._source.engine) as connection:
            touch(connection, session.token).require(Permission.LABEL)
            require(connection, part_id, self._holder, person, utc_now())
            if not answer.corrects and _answered(connection, answer.queued, person):
                raise LabelRefused(f"part {part_id}: another labelled it meanwhile; skip it")
            add_label(connection, label, correct=answer.corrects)
            if answer.drawing is not None:
                add_marks(connection, label.label_id, answer.drawing)
            release(connection, part_id, self._holder, utc_now())

    def picture(self, sha256: str) -> Pyramid:
        """Read a stored picture. Raise StorageFault or UnreadableImage."""
        return pyramid(decode_image(self._source.pictures.read(sha256), sha256))

    def golden(self, bundle_id: str) -> Pyramid:
        """Read a golden sample of a good part. Raise BundleError where the bundle's folder is not on this machine."""
        with reading(self._source.engine) as connection:
            path = _bundle_folder(connection, bundle_id)
        if path is None or not path.is_dir():
            raise BundleError(f"bundle {bundle_id[:8]}: its folder, with the golden samples, is not on this machine")
        bundle = load_bundle(path)
        if bundle.id != bundle_id:
            raise BundleError(f"{path}: another bundle lies there now ({bundle.id[:8]}); expected {bundle_id[:8]}")
        good = [sample for sample in bundle.golden if sample.label in bundle.manifest.good]
        if not good:
            raise BundleError(f"{path}: no golden sample of a good part; expected one to compare with")
        return pyramid(read_image(bundle.path / "golden" / good[0].file))


def _bundle_folder(connection: Connection, bundle_id: str) -> Path | None:
    """Where a station that served the bundle last had it."""
    query = select(SERVINGS.c.bundle_path).join(RUNS, RUNS.c.run_id == SERVINGS.c.run_id)
    path = connection.execute(query.where(RUNS.c.bundle_id == bundle_id).order_by(SERVINGS.c.number.desc())).scalar()
    return None if path is None else Path(path)


def _answered(connection: Connection, queued: QueuedPart, person: str) -> bool:
    """Where persons disagree each further one may answer, once."""
    said = LABELS.c.part_id == queued.part_id if queued.task_id is None else LABELS.c.task_id == queued.task_id
    if queued.need is Need.DOUBTED:
        said &= LABELS.c.person == person
    return bool(connection.execute(select(exists().where(said))).scalar())


def _in_hand(connection: Connection, queued: QueuedPart) -> PartInHand:
    record = part(connection, queued.part_id)
    if record is None:
        raise LabelRefused(f"part {queued.part_id}: no such part in the database")
    bundle = connection.execute(select(BUNDLES).where(BUNDLES.c.bundle_id == record.bundle_id)).one()
    good = [name for name in bundle.manifest.get("good", ()) if name] or [GOOD]
    defects = tuple(name for name in bundle.classes if name not in good)
    return PartInHand(queued, record, good[0], defects, limits_of(connection, record.run_id))
