"""What the figures screen asks of the database and of the pictures. Everything here runs on a worker's thread."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from db.history.listing import Listed, Listing, Wanted, listing
from db.queries import part
from db.records import utc_now
from gui.database import Source, reading
from gui.figures.export import Sheet, write_sheet
from gui.figures.numbers import Numbers, Question, read_numbers
from gui.picture import Pyramid, pyramid
from inspector.errors import DatabaseError
from inspector.preprocess import decode_image
from inspector.values import InspectionRecord


class DatabaseFigures:
    """A `FiguresDesk` on a database, and the pictures of its parts."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def numbers(self, question: Question) -> Numbers:
        with reading(self._source.engine) as connection:
            return read_numbers(connection, question, utc_now())

    def listing(self, wanted: Wanted) -> Listing:
        with reading(self._source.engine) as connection:
            return listing(connection, wanted)

    def record(self, part: Listed) -> InspectionRecord:
        with reading(self._source.engine) as connection:
            return _record(connection, part)

    def write(self, sheet: Sheet, path: Path) -> None:
        write_sheet(sheet, path)

    def picture(self, sha256: str) -> Pyramid:
        return pyramid(decode_image(self._source.pictures.read(sha256), sha256))


def _record(connection: Connection, listed: Listed) -> InspectionRecord:
    record = part(connection, listed.part_id)
    if record is None:
        raise DatabaseError(f"part {listed.part_id}: it is not on record any more")
    return record
