"""Orders, what serves, and shadow verdicts as rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from db.ledger import Ledger
from db.orders import (
    Order,
    OrderKind,
    OrderState,
    give,
    holds,
    newest_by,
    order_numbered,
    orders,
    unsettled,
    unsettled_numbers,
)
from db.queries import runs
from db.records import utc_now
from db.servings import Served, former_serving, last_serving
from db.shadow import ShadowVerdict, shadow_verdicts
from inspector.errors import OrderRefused
from inspector.values import Outcome, Verdict

STATION = "station-1"


def order(kind: OrderKind = OrderKind.HOLD, wanted: str = "", **changes: str) -> Order:
    return Order(**{"station": STATION, "kind": kind, "person": "ann", "reason": "jam", "wanted": wanted, **changes})


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (order(reason=" "), "expected a reason"),
        (order(person=""), "expected a reason, and who"),
        (order(person="a" * 65), "at most 64"),
        (order(OrderKind.BUNDLE), "which bundle is wanted"),
        (order(OrderKind.HOLD, "x"), "'x' is too much"),
    ],
)
def test_order_that_says_too_little_or_too_much_is_refused(wrong: Order, expected: str, path: Path, engine: Engine):
    with engine.begin() as connection, pytest.raises(OrderRefused, match=expected):
        give(connection, wrong)


def test_an_order_that_the_ledger_writes_is_found_by_its_number_and_as_the_newest_of_who_gave_it(
    database: str, engine: Engine
) -> None:
    with Ledger(database) as ledger:
        numbers = [ledger.give_order(order(person=person)).result(10) for person in ("ann", "modbus", "ann")]
        with pytest.raises(OrderRefused, match="expected a reason"):
            ledger.give_order(order(reason=""))
    with engine.connect() as connection:
        found = order_numbered(connection, STATION, numbers[1])
        assert found is not None
        assert (found.order.person, found.state) == ("modbus", OrderState.WANTED)
        assert order_numbered(connection, "station-2", numbers[1]) is None
        newest = newest_by(connection, STATION, "ann")
        assert newest is not None
        assert newest.number == numbers[2]
        assert newest_by(connection, STATION, "bob") is None


def test_an_order_comes_back_as_it_was_given_and_ends_once(database: str, engine: Engine) -> None:
    given = order(OrderKind.BUNDLE, "/bundles/b")
    with engine.begin() as connection:
        number = give(connection, given)
        assert [each.order for each in unsettled(connection, STATION)] == [given]
        assert unsettled(connection, "station-2") == []
    with engine.connect() as connection:
        assert unsettled_numbers(connection, STATION) == {number}
        assert unsettled_numbers(connection, "station-2") == set()
        assert not connection.in_transaction()
    with Ledger(database) as ledger:
        ledger.step_order(number, OrderState.DOING).result(10)
        ledger.step_order(number, OrderState.REFUSED, "altered").result(10)
        ledger.step_order(number, OrderState.DONE, "serves").result(10)
    with engine.connect() as connection:
        (settled,) = orders(connection, STATION)
        assert unsettled(connection, STATION) == []
    with engine.connect() as connection:
        assert unsettled_numbers(connection, STATION) == set()
    assert (settled.state, settled.actual) == (OrderState.REFUSED, "altered")
    assert settled.settled_at is not None


def test_a_station_is_held_until_the_newest_of_hold_and_run_says_run(path: Path, engine: Engine) -> None:
    with Ledger(path) as ledger:
        for kind, held in ((OrderKind.HOLD, True), (OrderKind.RUN, False)):
            with engine.begin() as connection:
                number = give(connection, order(kind))
            ledger.step_order(number, OrderState.DONE, "").result(10)
            with engine.connect() as connection:
                assert (holds(connection, STATION) is not None) is held


def test_what_served_before_is_found_after_restarts_and_its_order_is_done_with_the_run(
    database: str, engine: Engine, line: Any
) -> None:
    with engine.begin() as connection:
        assert last_serving(connection, STATION) is None
        number = give(connection, order(OrderKind.BUNDLE, "/bundles/c"))
    with Ledger(database) as ledger:
        ledger.start_run(line.run(), Served(Path("/bundles/b")))
        for _ in range(2):  # it took over, and the station was started again
            newest = line.run(bundle_id="c" * 64)
            ledger.start_run(newest, Served(Path("/bundles/c"), number))
    with engine.connect() as connection:
        last, former = last_serving(connection, STATION), former_serving(connection, STATION)
        (done,) = orders(connection, STATION)
    assert last is not None
    assert (last.run_id, last.served) == (newest.run_id, Served(Path("/bundles/c"), number))
    assert former is not None
    assert (former.bundle_id, former.served.bundle_path) == (line.bundle_id, Path("/bundles/b"))
    assert done.state is OrderState.DONE
    assert "c" * 64 in done.actual


def test_shadow_verdict_comes_back_and_needs_its_part(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part).result(10)
        said = ShadowVerdict(
            part.part_id, "top", "s" * 64, Verdict(Outcome.REJECT, ("scratch",), 0.9, "scratch"), utc_now()
        )
        ledger.record_shadow(said).result(10)
    with engine.connect() as connection:
        assert shadow_verdicts(connection, "s" * 64) == [said]
        assert shadow_verdicts(connection, "t" * 64) == []


def test_source_goes_on_after_a_kill_before_the_first_part_of_a_run_that_took_over(path: Path, line: Any) -> None:
    with Ledger(path) as ledger:
        first = line.run()
        ledger.start_run(first)
        part = line.part(first.run_id, 1, sequence=7)
        ledger.open_part(part).result(10)
        ledger.start_run(line.run(bundle_id="c" * 64))
        ledger.complete_part(line.judged(part)).result(10)
        ledger.end_run(first.run_id, clean=True).result(10)
    with Ledger(path) as ledger:
        recovery = ledger.recover(STATION)
    assert (recovery.next_sequence, recovery.completed) == (8, 0)


def test_orders_are_of_known_kinds_and_states(path: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        give(connection, order())
        with pytest.raises(IntegrityError):
            connection.exec_driver_sql("UPDATE orders SET kind = 'dance'")
        assert runs(connection) == []
