from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from db import queries
from db.engine import open_engine
from db.entries import RunStart, write_one
from db.images import StoredImage
from db.part_entries import Completion, Opening, Write, write_parts
from db.prepared import Prepared
from db.records import Row, Run, completion_row, finding_rows, opening_row
from inspector.ids import new_id
from inspector.values import Finding, InspectionRecord, Outcome, PartTag, Prediction, Quality, Verdict, ViewInspection

ENGINES = ("sqlite", "postgresql")
RUN = Run("station-1", "bracket", "r" * 64, "[camera]", "b" * 64, "classify", ("good", "scratch"))
IMAGE = StoredImage("c" * 64, "cc/cc/" + "c" * 64 + ".png", 17)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
counts = st.integers(0, 2**63 - 1)
moments = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2900, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=45))]),
)
reasons = st.lists(words, max_size=3).map(tuple)
probability = st.none() | shares
outcomes = st.sampled_from(Outcome)
tags = st.builds(PartTag, *[st.none() | words.filter(bool)] * 3)
verdicts = st.builds(Verdict, outcomes, reasons, probability, st.none() | words)
found = st.builds(Finding, words, shares, numbers, numbers, numbers, numbers, st.none() | numbers, st.none() | numbers)
predictions = st.builds(
    Prediction,
    words,
    st.lists(shares, max_size=4).map(tuple),
    shares,
    st.lists(numbers, max_size=4).map(tuple),
    st.lists(found, max_size=2).map(tuple),
    st.none() | shares,
)
views = st.builds(
    ViewInspection,
    camera=words,
    sequence=counts,
    source=words,
    quality=st.builds(Quality, numbers, numbers, shares, shares, reasons),
    prediction=st.none() | predictions,
    verdict=verdicts,
    timings_ms=st.dictionaries(words, numbers, max_size=3),
    heat_png=st.none() | st.binary(max_size=20),
)
openings = st.builds(
    InspectionRecord,
    part_id=st.uuids(),
    run_id=st.just(RUN.run_id),
    station=st.just(RUN.station),
    recipe=st.just(RUN.recipe),
    bundle_id=st.just(RUN.bundle_id),
    trigger=st.integers(1, 2**63 - 1),
    sequence=counts,
    source=words,
    triggered_at=moments,
    reasons=reasons,
)


@st.composite
def completions(draw: st.DrawFn, opened: InspectionRecord) -> InspectionRecord:
    outcome = draw(outcomes)
    return InspectionRecord(
        **{name: getattr(opened, name) for name in ("part_id", "run_id", "station", "recipe", "bundle_id", "trigger")},
        sequence=opened.sequence,
        triggered_at=opened.triggered_at,
        source=draw(words),
        outcome=outcome,
        reasons=draw(reasons),
        label=draw(st.none() | words),
        defect_probability=draw(shares if outcome is Outcome.PASS else probability),
        latency_ms=draw(st.none() | numbers),
        completed_at=draw(moments),
        image_sha256=draw(st.none() | st.just(IMAGE.sha256)),
        views=tuple(draw(st.lists(views, max_size=3))),
    )


@pytest.fixture(scope="module", params=ENGINES)
def connection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = str(tmp_path_factory.mktemp("records") / "ledger.sqlite")
        else:
            database = stack.enter_context(request.getfixturevalue("server").database())
        engine = open_engine(database, create=True)
        with engine.connect() as connection:
            with connection.begin():
                write_one(connection, RunStart(RUN))
            yield connection
        engine.dispose()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data(), opened=openings)
def test_a_record_comes_back_from_its_rows_as_it_was(
    connection: Connection, drawn: st.DataObject, opened: InspectionRecord
) -> None:
    completed = drawn.draw(completions(opened))
    with connection.begin() as transaction:
        write_one(connection, Opening(opened))
        assert queries.part(connection, opened.part_id) == opened
        image = IMAGE if completed.image_sha256 else None
        write_one(connection, Completion(completed, image, datetime(2026, 1, 1, tzinfo=UTC)))
        assert queries.part(connection, opened.part_id) == completed
        transaction.rollback()


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data(), opened=openings, tag=tags, simulated=st.booleans())
def test_a_prepared_statement_writes_what_sqlalchemy_writes(
    connection: Connection, drawn: st.DataObject, opened: InspectionRecord, tag: PartTag, simulated: bool
) -> None:
    opened = replace(opened, tag=tag)
    completed = replace(drawn.draw(completions(opened)), tag=tag)
    entries = (
        Opening(opened, simulated),
        Completion(completed, IMAGE if completed.image_sha256 else None, datetime(2026, 1, 1, tzinfo=UTC)),
    )
    prepared, core = (_rows_as_stored(connection, entries, write) for write in (Prepared.write, _by_core))
    assert repr(prepared) == repr(core)  # so that 1, 1.0 and True are three values


def _by_core(prepared: Prepared, connection: Connection, rows: Sequence[Row]) -> int:
    counted = {"preserve_rowcount": True}
    return connection.execute(prepared.statement, list(rows), execution_options=counted).rowcount


def _rows_as_stored(connection: Connection, entries: Sequence[Opening | Completion], write: Write) -> list[Any]:
    with connection.begin() as transaction:
        for entry in entries:
            write_parts(connection, [entry], write)
        rows = [
            connection.exec_driver_sql(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
            for columns, table, order in (
                ("*", "inspections", "part_id"),
                ("*", "findings", "view"),
                ("*", "images", "sha256"),
                ("part_id", "outbox", "position"),
            )
        ]
        transaction.rollback()
    return rows


@settings(deadline=None, max_examples=50)
@given(shares)
@example(0.1 + 0.2)
@example(5e-324)
@example(1 - 2**-53)
def test_a_probability_comes_back_to_the_last_bit(connection: Connection, value: float) -> None:
    opened = _opened()
    with connection.begin() as transaction:
        write_one(connection, Opening(opened))
        write_one(connection, Completion(_completed(opened, value), None, datetime(2026, 1, 1, tzinfo=UTC)))
        back = queries.part(connection, opened.part_id)
        transaction.rollback()
    assert back is not None
    assert np.float64(back.defect_probability).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"defect_probability is (nan|inf); expected a finite number"):
        completion_row(_completed(_opened(), value))


def test_numbers_of_numpy_are_stored_as_plain_ones() -> None:
    view = ViewInspection(
        "top",
        0,
        "",
        Quality(np.float64(1.5), 2.0, 0.0, 0.0),
        Prediction("good", (np.float64(0.5), np.float64(0.5)), 0.5, (np.float32(1.25),)),  # type: ignore[arg-type]
        Verdict(Outcome.REVIEW),
    )
    record = _opened()
    (row,) = finding_rows(InspectionRecord(**{**_fields(record), "views": (view,)}))  # type: ignore[arg-type]
    assert type(row["focus"]) is float
    assert [type(score) for score in row["scores"]] == [float]


@pytest.mark.parametrize(("name", "kept"), [("caf\udce9.png", "caf\\udce9.png"), ("a\0b.png", "a\\x00b.png")])
def test_a_file_name_that_is_no_text_is_kept_as_an_escape(name: str, kept: str) -> None:
    assert opening_row(InspectionRecord(**{**_fields(_opened()), "source": name}))["source"] == kept  # type: ignore[arg-type]


def test_a_part_is_not_opened_with_an_outcome() -> None:
    with pytest.raises(ValueError, match="opened with an outcome"):
        opening_row(_completed(_opened(), 0.5))


def test_a_part_is_not_completed_without_an_outcome() -> None:
    with pytest.raises(ValueError, match="completed without an outcome"):
        completion_row(_opened())


def _opened() -> InspectionRecord:
    part_id: UUID = new_id()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return InspectionRecord(part_id, RUN.run_id, RUN.station, RUN.recipe, RUN.bundle_id, 1, "", moment)


def _completed(opened: InspectionRecord, probability: float) -> InspectionRecord:
    done = {"outcome": Outcome.PASS, "defect_probability": probability, "completed_at": opened.triggered_at}
    return InspectionRecord(**{**_fields(opened), **done})  # type: ignore[arg-type]


def _fields(record: InspectionRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in InspectionRecord.__dataclass_fields__}
