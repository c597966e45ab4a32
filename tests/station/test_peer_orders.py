"""A running station is ordered by its peers: a real Modbus controller and a real OPC UA client."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncua import Client, ua
from sqlalchemy import Engine

from benchmarks.peers import free_port
from benchmarks.plc import Plc
from db.engine import open_engine
from db.orders import GivenOrder, OrderKind, OrderState, orders
from station.config import station_config
from station.outputs.opcua_space import MACHINE_VISION, OURS
from station.running import run_station

LONG_S = 120.0
STARTS_S = 240.0
"""The process of the server gets what nobody else wants of the processor."""
DONE, REFUSED = 3, 4


@dataclass
class Plant:
    """The station's two peers, and its ledger as one sees it from outside."""

    plc: Plc
    opcua_url: str
    engine: Engine

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", urlsplit(self.opcua_url).port or 0), 1.0).close()
        except OSError:
            return False
        return True

    def order(self, number: int, kind: int, recipe: int = 0) -> list[int]:
        """Have the controller order, and return the answer that it is given in the end."""
        self.plc.order = (number, kind, recipe)
        self.wait(lambda: self.answer()[:1] == [number] and self.answer()[1] in (DONE, REFUSED))
        return self.answer()

    def answer(self) -> list[int]:
        return self.plc.answers_to_orders[-1] if self.plc.answers_to_orders else [0] * 5

    def newest(self) -> GivenOrder:
        with self.engine.connect() as connection:
            return orders(connection, "press")[-1]

    def wait(self, true: Callable[[], object], limit_s: float = LONG_S) -> None:
        until_s = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < until_s, "nothing came of it in time"
            time.sleep(0.02)

    def ask(self, work: Callable[[Scada], Awaitable[Any]]) -> Any:
        """Have an OPC UA client do something, as soon as the station's server is there."""
        self.wait(self._listens, STARTS_S)

        async def connected() -> Any:
            async with Client(self.opcua_url, timeout=LONG_S, watchdog_intervall=LONG_S) as client:
                return await work(await Scada.at(client))

        return asyncio.run(connected())


class Scada:
    """An OPC UA client that knows its way about."""

    def __init__(self, system: Any, theirs: int, ours: int) -> None:
        self.system, self.theirs, self.ours = system, theirs, ours

    @classmethod
    async def at(cls, client: Client) -> Scada:
        ours, theirs = await client.get_namespace_index(OURS), await client.get_namespace_index(MACHINE_VISION)
        return cls(await client.nodes.objects.get_child([f"{ours}:press"]), theirs, ours)

    async def node(self, *names: str) -> Any:
        return await self.system.get_child([f"{self.theirs}:{name}" for name in names]) if names else self.system

    async def call(self, *names: str, arguments: tuple[Any, ...] = ()) -> Any:
        node = await self.node(*names[:-1])
        return await node.call_method(f"{self.theirs}:{names[-1]}", *arguments)

    async def ours_call(self, name: str, *arguments: Any) -> Any:
        return await self.system.call_method(f"{self.ours}:{name}", *arguments)

    async def states(self) -> tuple[str, str]:
        machine = await self.node("VisionStateMachine")
        automatic = await self.node("VisionStateMachine", "AutomaticModeStateMachine")
        found = [(await (await each.get_child("0:CurrentState")).read_value()).Text for each in (machine, automatic)]
        return found[0], found[1] or ""

    async def become(self, *states: str) -> None:
        until_s = time.monotonic() + LONG_S
        while await self.states() != states:
            assert time.monotonic() < until_s, await self.states()
            await asyncio.sleep(0.05)

    async def settled(self, number: int) -> list[Any]:
        """What GetOrder says of an order when it is settled."""
        until_s = time.monotonic() + LONG_S
        while True:
            said: list[Any] = await self.ours_call("GetOrder", ua.Variant(number, ua.VariantType.UInt64))
            if said[4] in ("DONE", "REFUSED"):
                return said
            assert time.monotonic() < until_s, said
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, bundle_path: Path) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("peers")
    for name in ("flange", "bracket"):
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n')
    modbus_port, opcua_port = free_port(), free_port()
    modbus = {"kind": "modbus", "host": "127.0.0.1", "port": modbus_port, "timeout_ms": 30_000}
    blocks = {
        "station": {
            "name": "press",
            "folder": "box",
            "bundle": str(bundle_path),
            "recipe": "flange.toml",
            "deadline_ms": 10_000,
            "hang_s": 60,
            "start_s": 300,
        },
        "camera": {"kind": "synthetic", "pace_hz": 5, "count": 100_000},
        "recipe": [{"file": "bracket.toml"}],
        "output": [
            {**modbus, "acknowledge_ms": 30_000, "orders": True, "recipes": ["flange", "bracket"]},
            {"kind": "opcua", "port": opcua_port, "orders": True, "timeout_s": 60},
        ],
    }
    config = station_config(blocks, "test.toml", folder)
    config.station.folder.mkdir()
    engine, stop = open_engine(config.database_url, create=True), threading.Event()
    thread = threading.Thread(target=lambda: run_station(config, stop), name="station")
    with Plc(modbus_port) as plc:
        thread.start()
        plant = Plant(plc, f"opc.tcp://127.0.0.1:{opcua_port}/open-inspector/", engine)
        try:
            plant.wait(lambda: plc.parts)
            yield plant
        finally:
            stop.set()
            thread.join(60)
    engine.dispose()


def test_controller_changes_the_recipe_and_sees_it_in_force(plant: Plant) -> None:
    plant.wait(lambda: plant.answer()[3] == 1)
    assert plant.order(1, 3, 2)[:3] == [1, DONE, 0]
    plant.wait(lambda: plant.answer()[3] == 2)
    given = plant.newest()
    assert (given.order.kind, given.order.wanted, given.state) == (OrderKind.RECIPE, "bracket", OrderState.DONE)
    assert given.order.person.startswith("modbus (127.0.0.1:")


def test_controller_rolls_back_tests_holds_and_runs(plant: Plant) -> None:
    for number, kind in ((2, 4), (3, 5), (4, 2)):
        assert plant.order(number, kind)[:3] == [number, DONE, 0]
    plant.wait(lambda: plant.answer()[3:] == [1, 1])
    before = len(plant.plc.parts)
    plant.wait(lambda: len(plant.plc.parts) > before + 2)
    assert {tuple(words[3:5]) for words in plant.plc.parts[before + 1 :]} == {(4, 17)}, "NOT_INSPECTED: held"
    assert plant.order(5, 1)[:3] == [5, DONE, 0]
    plant.wait(lambda: plant.plc.parts[-1][3] in (1, 2, 3))
    assert plant.answer()[4] == 0


def test_controller_is_told_by_code_what_is_refused(plant: Plant) -> None:
    assert plant.order(6, 3, 9)[:3] == [6, REFUSED, 4]
    assert "not in the configuration" in plant.newest().actual
    assert plant.order(7, 3, 1)[:3] == [7, REFUSED, 5], "it serves already"
    assert plant.order(8, 77)[:3] == [8, REFUSED, 1]


def test_client_stops_starts_halts_and_resets_by_the_methods_of_the_specification(plant: Plant) -> None:
    mode = ("VisionStateMachine", "AutomaticModeStateMachine")
    cause = (ua.Variant(7, ua.VariantType.Int32), ua.Variant("jam", ua.VariantType.String))
    job = (*(ua.Variant("", ua.VariantType.String) for _ in range(4)), ua.Variant("", ua.VariantType.String))

    async def work(scada: Scada) -> None:
        await scada.become("Operational", "ContinuousExecution")
        assert (await scada.call(*mode, "StartContinuous", arguments=job))[1] == -3, "it runs already"
        assert await scada.call(*mode, "Stop", arguments=cause) == 0
        await scada.become("Operational", "Ready")
        assert (await scada.call(*mode, "StartContinuous", arguments=job))[1] == 0
        await scada.become("Operational", "ContinuousExecution")
        assert await scada.call("VisionStateMachine", "Halt", arguments=cause) == 0
        await scada.become("Halted", "")
        assert await scada.call("VisionStateMachine", "SelectModeAutomatic") == -3, "not from Halted"
        assert await scada.call("VisionStateMachine", "Reset", arguments=cause) == 0
        await scada.become("Preoperational", "")
        assert await scada.call("VisionStateMachine", "SelectModeAutomatic") == 0
        await scada.become("Operational", "Ready")
        assert (await scada.call(*mode, "StartContinuous", arguments=job))[1] == 0
        await scada.become("Operational", "ContinuousExecution")

    plant.ask(work)
    with plant.engine.connect() as connection:
        mine = [given for given in orders(connection, "press") if given.order.person == "opcua: anonymous"]
    assert [given.order.reason for given in mine] == [
        "OPC UA Stop: 7 jam",
        "OPC UA StartContinuous",
        "OPC UA Halt: 7 jam",
        "OPC UA Reset: 7 jam",
        "OPC UA SelectModeAutomatic",
        "OPC UA StartContinuous",
    ]
    assert {given.state for given in mine} == {OrderState.DONE}


def test_client_prepares_a_recipe_and_rolls_back_and_is_told_what_is_refused(plant: Plant) -> None:
    def recipe(name: str) -> tuple[ua.Variant, ua.Variant]:
        return ua.Variant(name, ua.VariantType.String), ua.Variant("", ua.VariantType.String)

    async def work(scada: Scada) -> None:
        name, _, error = await scada.call("RecipeManagement", "PrepareRecipe", arguments=recipe("bracket"))
        assert (name, error) == ("bracket", 0)
        in_force = await (await scada.node("RecipeManagement")).get_child(f"{scada.ours}:RecipeInForce")
        until_s = time.monotonic() + LONG_S
        while await in_force.read_value() != "bracket":
            assert time.monotonic() < until_s
            await asyncio.sleep(0.05)
        assert (await scada.call("RecipeManagement", "PrepareRecipe", arguments=recipe("bolt")))[2] in (-4, 0)
        refused = await scada.settled(plant.newest().number)
        assert (refused[0], refused[1], refused[4], refused[6]) == ("recipe", "bolt", "REFUSED", -4)
        number, _, error = await scada.ours_call("Rollback")
        assert error == 0
        assert (await scada.settled(number))[4] == "DONE"
        number, _, error = await scada.ours_call("SelfTest")
        assert (await scada.settled(number))[5] == "3 golden samples as recorded"

    plant.ask(work)
