"""Orders of a controller: new by number, on record before they are answered, never done twice or found standing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.plc import Plc
from db.engine import WRITES, open_engine
from db.ledger import Ledger
from db.orders import Order, OrderKind, OrderState, give, orders
from inspector.errors import ConfigError, StorageFault
from station.config import station_config
from station.order_book import OrderBook
from station.outputs import modbus_map as registers
from station.outputs.base import LineState
from station.outputs.modbus import Handshake, ModbusSettings
from station.outputs.modbus_map import Answer, PlcBlock, answer_words, plc_block
from station.outputs.modbus_orders import ControllerOrders
from station.outputs.order_codes import _BEGINNINGS, refusal_code

SETTINGS = ModbusSettings(kind="modbus", host="192.0.2.9", recipes=("flange", "bracket"), orders=True)
WHO = "modbus (192.0.2.9:502)"
HOLD = PlcBlock(0, 0, order=7, kind=2)


class Desk:
    """A controller's orders with a real ledger behind them; `look` is the thread of orders going round once."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.ledger, self.engine = ledger, open_engine(path)
        self.begin()

    def begin(self) -> None:
        """As at a start of the station."""
        self.book = OrderBook("press", self.ledger.give_order)
        self.orders = ControllerOrders(SETTINGS, self.book)

    def look(self) -> None:
        with self.engine.connect() as connection:
            self.book.look(connection)

    def settle(self, state: OrderState, actual: str = "") -> None:
        self.ledger.step_order(len(self.on_record()), state, actual).result(30)
        self.look()

    def on_record(self) -> list[Order]:
        with self.engine.connect() as connection:
            return [given.order for given in orders(connection, "press")]

    def say(self, block: PlcBlock) -> Answer:
        """Have the order taken, and wait until it is on record."""
        self.orders.answer(block)
        until_s = time.monotonic() + 30
        while (answer := self.orders.answer(block)).state is None and block.order:
            assert time.monotonic() < until_s
            time.sleep(0.005)
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        desk = Desk(ledger, tmp_path / "ledger.sqlite")
        desk.orders.answer(PlcBlock(0, 0))
        desk.look()
        desk.orders.answer(PlcBlock(0, 0))
        yield desk
        desk.engine.dispose()


def test_an_order_is_on_record_with_who_gave_it_and_is_answered_until_it_is_done(desk: Desk) -> None:
    assert desk.say(HOLD) == Answer(7, OrderState.WANTED)
    (order,) = desk.on_record()
    assert (order.kind, order.person, order.reason) == (OrderKind.HOLD, WHO, "order 7 of the controller")
    desk.settle(OrderState.DOING)
    assert desk.say(HOLD).state is OrderState.DOING
    desk.settle(OrderState.DONE, "held")
    assert desk.say(HOLD) == Answer(7, OrderState.DONE)
    assert desk.say(PlcBlock(0, 0)) == Answer()
    assert len(desk.on_record()) == 1, "however often it is seen"


def test_a_recipe_is_ordered_by_its_number_and_one_that_has_no_name_is_refused_on_record(desk: Desk) -> None:
    desk.say(PlcBlock(0, 0, 1, 3, 2))
    desk.say(PlcBlock(0, 0, 2, 3, 9))
    assert [order.wanted for order in desk.on_record()] == ["bracket", "number 9"]
    desk.settle(OrderState.REFUSED, "recipe 'number 9': not in the configuration; expected one of flange, bracket")
    assert desk.say(PlcBlock(0, 0, 2, 3, 9)) == Answer(2, OrderState.REFUSED, 4)


def test_an_order_that_is_none_is_refused_by_code(desk: Desk) -> None:
    assert desk.say(PlcBlock(0, 0, 3, 99)) == Answer(3, OrderState.REFUSED, 1)
    assert desk.say(PlcBlock(0, 0, 3, 99)) == Answer(3, OrderState.REFUSED, 1)
    assert not desk.on_record()


def test_after_a_restart_an_order_on_record_is_answered_and_not_given_again(desk: Desk) -> None:
    desk.say(HOLD)
    desk.settle(OrderState.DONE)
    desk.begin()
    assert desk.orders.answer(HOLD) == Answer(), "before the ledger was looked into nobody knows"
    desk.look()
    assert desk.say(HOLD) == Answer(7, OrderState.DONE)
    assert len(desk.on_record()) == 1


def test_what_stood_there_when_the_station_started_is_no_order(desk: Desk) -> None:
    desk.begin()
    desk.orders.answer(HOLD)
    desk.look()
    assert desk.say(HOLD) == Answer(7, OrderState.REFUSED, 2)
    assert not desk.on_record()
    assert desk.say(PlcBlock(0, 0, 8, 2)).state is OrderState.WANTED, "with another number it is one"


def test_a_ledger_that_takes_no_order_refuses_it(desk: Desk) -> None:
    def full(order: Order) -> None:
        raise StorageFault("ledger x: 10000 rows wait unwritten")

    desk.book = OrderBook("press", full)  # type: ignore[arg-type]
    desk.orders = ControllerOrders(SETTINGS, desk.book)
    desk.orders.answer(PlcBlock(0, 0))
    desk.look()
    desk.orders.answer(PlcBlock(0, 0))
    assert desk.say(HOLD) == Answer(7, OrderState.REFUSED, 10)


def test_an_order_of_somebody_else_is_none_of_the_controllers(desk: Desk) -> None:
    with desk.engine.execution_options(**{WRITES: True}).begin() as connection:
        give(connection, Order("press", OrderKind.HOLD, "ann", "order 7 of the controller"))
    desk.begin()
    desk.orders.answer(PlcBlock(0, 0))
    desk.look()
    desk.orders.answer(PlcBlock(0, 0))
    assert desk.say(HOLD).state is OrderState.WANTED
    assert [order.person for order in desk.on_record()] == ["ann", WHO]


def test_the_answer_and_what_is_in_force_stand_in_the_controllers_registers(free_port: int, desk: Desk) -> None:
    settings = SETTINGS.model_copy(update={"host": "127.0.0.1", "port": free_port, "timeout_ms": 30_000})
    with Plc(free_port, order=(7, 2, 0)) as plc:
        shake = Handshake(settings)
        shake.begin()
        shake.beat(LineState("running", recipe="bracket"))
        shake.beat(LineState("running", recipe="bracket"))
        shake.beat(LineState("running", recipe="bracket", held="held: 7"))
        shake.beat(LineState("running", recipe="another"))
        shake.end(politely=True)
    assert plc.answers_to_orders == [[0, 0, 0, 2, 0], [0, 0, 0, 2, 1], [0, 0, 0, 0, 0]], "when it changes"


def test_words_of_an_answer_and_of_an_order_are_those_of_the_map() -> None:
    assert answer_words(Answer(9, OrderState.REFUSED, 11, 2, held=True)) == [9, 4, 11, 2, 1]
    assert len(answer_words(Answer())) == registers.ANSWER_WORDS
    assert plc_block([2, 5, 1, 2, 9, 3, 4]) == PlcBlock(5, 0x10002, 9, 3, 4)


@pytest.mark.parametrize(
    ("kind", "why", "code"),
    [
        (OrderKind.RECIPE, "recipe 'bolt': not in the configuration", 4),
        (OrderKind.RECIPE, "it serves already", 5),
        (OrderKind.ROLLBACK, "rollback: nothing else has served at this station", 6),
        (OrderKind.SELF_TEST, "bundle: golden sample 3 differs", 7),
        (OrderKind.RECIPE, "/x: model.onnx has been altered", 11),
        (OrderKind.HOLD, "something new", 19),
    ],
)
def test_a_refusal_has_its_code(kind: OrderKind, why: str, code: int) -> None:
    assert refusal_code(kind, why) == code


def test_the_refusals_of_the_station_are_those_that_the_codes_know() -> None:
    import station.desk

    said = "".join(path.read_text() for path in Path(station.desk.__file__).parent.glob("*.py"))
    for words, _ in _BEGINNINGS:
        assert f'"{words}' in said, f"no refusal of the station begins with {words!r}"


def test_a_recipe_that_the_station_does_not_have_has_no_number(tmp_path: Path, bundle_path: Path) -> None:
    blocks = {
        "station": {"name": "press", "folder": "box", "bundle": str(bundle_path)},
        "camera": {"kind": "folder", "path": "x"},
        "output": {"kind": "modbus", "host": "x", "recipes": ["bolt"]},
    }
    with pytest.raises(ConfigError, match="output modbus: recipes: 'bolt' is not in the configuration; expected some"):
        station_config(blocks, "test.toml", tmp_path)
