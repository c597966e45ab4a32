"""What was drawn with a label: where the person saw the defect. Append-only, like the label."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, insert, select

from db.plant_tables import LABEL_MARKS
from inspector.drawn import Drawing


def add_marks(connection: Connection, label_id: UUID, drawing: Drawing) -> None:
    """Keep the drawing of a label that was just added; one without shapes is not kept."""
    if drawing.shapes:
        connection.execute(insert(LABEL_MARKS), {"label_id": label_id, "drawing": drawing.model_dump(mode="json")})


def marks_of(connection: Connection, label_id: UUID) -> Drawing | None:
    kept = connection.execute(select(LABEL_MARKS.c.drawing).where(LABEL_MARKS.c.label_id == label_id)).scalar()
    return None if kept is None else Drawing.model_validate(kept)
