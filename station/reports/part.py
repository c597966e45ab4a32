"""`inspector report part SERIAL`: the life of one part on a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from inspector.errors import UserError
from station.reports.writing import add_files, add_source, records_of, write_csv, write_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.history.parts import Inspected

HELP = "every inspection of a part, and what persons said of it"
COLUMNS = (
    "part_id", "serial", "lot", "station", "recipe", "bundle_id", "triggered_at", "outcome", "label",
    "defect_probability", "latency_ms", "reasons", "labels",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", metavar="SERIAL", help="the part's serial number, or the id of one inspection")
    add_source(parser)
    add_files(parser)


def run(args: argparse.Namespace) -> int:
    if args.html:
        from station.pages import require_packages

        require_packages("leave out --html")
    with records_of(args) as connection:
        found = _found(connection, args.part)
    if args.json:
        write_json(args.json, {"part": args.part, "inspections": [figures(one) for one in found]})
    if args.csv:
        write_csv(args.csv, COLUMNS, [row(one) for one in found])
    if args.html:
        from station.reports.part_page import write_page

        write_page(args.html, args.part, found, _images(args.config))
    print("\n".join(lines(args.part, found)))
    return 0


def _found(connection: Connection, part: str) -> Sequence[Inspected]:
    from db import queries
    from db.history.parts import inspected, part_history

    found = part_history(connection, part)
    if not found:
        record = queries.part(connection, known) if (known := _id(part)) else None
        found = inspected(connection, [record]) if record else ()
    if not found:
        raise UserError(f"part {part!r}: no inspection of it is on record; expected a serial number, or a part's id")
    return found


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


def _images(config: Path | None) -> Path | None:
    """Where the station's pictures lie; None: the page is made without them."""
    if config is None:
        return None
    from station.config import load_station_config

    return load_station_config(config).images


def lines(part: str, found: Sequence[Inspected]) -> list[str]:
    said = [f"part {part}: {len(found)} inspections"]
    for one in found:
        record = one.record
        outcome = record.outcome or "open"
        said.append(
            f"  {record.triggered_at:%Y-%m-%d %H:%M:%S} {record.station} {record.recipe}: {outcome}{_said(one)}"
        )
        said += [f"    {reason}" for reason in record.reasons]
        said += [f"    {label.person} said {label.label} on {label.at:%Y-%m-%d %H:%M}" for label in one.labels]
    return said


def _said(one: Inspected) -> str:
    record = one.record
    if record.defect_probability is None:
        return ""
    return f", {record.label}, defect probability {record.defect_probability:.4f}"


def row(one: Inspected) -> tuple[object, ...]:
    """One inspection as in COLUMNS."""
    record = one.record
    named = (record.part_id, record.tag.serial, record.tag.lot, record.station, record.recipe, record.bundle_id)
    judged = (record.triggered_at.isoformat(), record.outcome, record.label, record.defect_probability)
    labels = "; ".join(f"{label.person}: {label.label}" for label in one.labels)
    return (*named, *judged, record.latency_ms, "; ".join(record.reasons), labels)


def figures(one: Inspected) -> dict[str, Any]:
    """One inspection for programs; docs/queries.md says what each field is."""
    record = one.record
    flat = dict(zip(COLUMNS[:11], row(one)[:11], strict=True))
    views = [
        {
            "camera": view.camera,
            "outcome": view.verdict.outcome,
            "label": view.verdict.label,
            "defect_probability": view.verdict.defect_probability,
            "novelty": view.prediction.novelty if view.prediction else None,
            "image_sha256": view.image_sha256,
        }
        for view in record.views
    ]
    labels = [
        {"label": said.label, "is_defect": said.is_defect, "person": said.person, "at": said.at.isoformat()}
        for said in one.labels
    ]
    return {**flat, "part_id": str(record.part_id), "reasons": list(record.reasons), "views": views, "labels": labels}
