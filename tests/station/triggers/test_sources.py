"""Each trigger source against its real peer: a part is told once, a lost peer is told and comes back."""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from benchmarks.peers import Listener, Mosquitto, free_port, mosquitto
from inspector.errors import ConfigError, UnknownPlugin
from inspector.values import PartTag
from station.triggers import trigger_factory, trigger_settings
from station.triggers.base import CountBegins, Pulse, SourceState, Told

PATIENCE_S = 15.0


class Heard:
    """What a source told."""

    def __init__(self) -> None:
        self._told: queue.Queue[Told] = queue.Queue()

    def tell(self, told: Told) -> None:
        self._told.put(told)

    def next(self, kind: type) -> Any:
        until_s = time.monotonic() + PATIENCE_S
        while True:
            told = self._told.get(timeout=max(0.01, until_s - time.monotonic()))
            if isinstance(told, kind):
                return told

    def nothing_for(self, seconds: float) -> bool:
        time.sleep(seconds)
        return not any(isinstance(told, Pulse) for told in list(self._told.queue))


@contextmanager
def source(**block: object) -> Iterator[tuple[Heard, Any]]:
    heard = Heard()
    settings = trigger_settings(block, "test")
    with trigger_factory(settings.kind)(settings, heard.tell) as opened:
        yield heard, opened


def until(holds: Callable[[], object]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.02)


# ---- HTTP


def post(port: int, body: bytes, path: str = "/trigger", **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_http_post_is_a_part_with_what_the_caller_says_of_it() -> None:
    with source(kind="http", port=0) as (heard, http_source):
        assert post(http_source.port, b'{"part_id": "A-1", "lot": "L4", "serial": "7"}')[0] == 202
        assert heard.next(Pulse).tag == PartTag("A-1", "L4", "7")


def test_http_request_that_is_no_trigger_says_why_and_is_no_part() -> None:
    with source(kind="http", port=0) as (heard, http_source):
        assert post(http_source.port, b"{}", path="/elsewhere")[0] == 404
        status, answer = post(http_source.port, b'{"lot": 4}')
        assert (status, answer["taken"]) == (400, False)
        assert post(http_source.port, b"x" * 5000)[0] == 413
        assert heard.nothing_for(0.1)


def test_http_caller_without_the_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    with source(kind="http", port=0, token_file=tmp_path / "token") as (heard, http_source):
        assert post(http_source.port, b"")[0] == 401
        assert heard.nothing_for(0.05)
        assert post(http_source.port, b"", Authorization="Bearer secret")[0] == 202


def test_http_beyond_this_machine_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="expected token_file"):
        trigger_settings({"kind": "http", "host": "0.0.0.0"}, "test")


def test_http_port_that_is_taken_is_one_clear_line() -> None:
    with (
        source(kind="http", port=0) as (_, first),
        pytest.raises(ConfigError, match="cannot listen"),
        source(kind="http", port=first.port),
    ):
        pass


# ---- Modbus


class Controller:
    """A real Modbus server with 16 coils and 16 registers, on a thread of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()

    def __enter__(self) -> Controller:
        self._thread.start()
        assert self._up.wait(PATIENCE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()

    async def _start(self) -> None:
        coils = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
        registers = [SimData(0, count=16, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=(coils, coils, registers, registers))
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        self._up.set()


@contextmanager
def panel(port: int) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=port)
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


def test_rise_of_a_modbus_coil_is_a_part_and_the_coil_is_cleared() -> None:
    port = free_port()
    with (
        Controller(port),
        panel(port) as plc,
        source(kind="modbus", host="127.0.0.1", port=port, coil=3, clear=True) as (
            heard,
            _,
        ),
    ):
        time.sleep(0.5)
        for _ in range(3):
            plc.write_coil(3, True)
            heard.next(Pulse)
            until(lambda: not plc.read_coils(3, count=1).bits[0])
        assert heard.nothing_for(0.1)


def test_modbus_counter_tells_how_many_parts_came_while_the_controller_was_away() -> None:
    port = free_port()
    block = {"kind": "modbus", "host": "127.0.0.1", "port": port, "counter": 2, "timeout_s": 0.5}
    with Controller(port) as _, panel(port) as plc, source(**block) as (heard, _):
        assert heard.next(CountBegins).count == 0
        plc.write_register(2, 1)
        assert heard.next(Pulse).count == 1
        plc.write_register(2, 5)
        assert heard.next(Pulse).count == 5


def test_lost_modbus_controller_is_told_and_comes_back() -> None:
    port = free_port()
    with source(kind="modbus", host="127.0.0.1", port=port, coil=0, timeout_s=0.5) as (heard, _):
        assert not heard.next(SourceState).well
        with Controller(port):
            assert heard.next(SourceState).well
        assert not heard.next(SourceState).well


def test_modbus_counter_beside_the_coil_accounts_for_its_rises() -> None:
    port = free_port()
    block = {"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 1, "counter": 2}
    with Controller(port), panel(port) as plc, source(**block) as (heard, _):
        assert heard.next(CountBegins).count == 0
        assert heard.nothing_for(0.3)  # the coil has been seen at rest: only then is it seen to rise
        plc.write_register(2, 3)
        plc.write_coil(1, True)
        assert heard.next(Pulse).count == 3


def test_modbus_needs_a_sign_of_a_part() -> None:
    with pytest.raises(ConfigError, match="expected coil, or counter"):
        trigger_settings({"kind": "modbus", "host": "plc"}, "test")


# ---- MQTT


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if mosquitto() is None:
        pytest.skip("no mosquitto on this machine (Debian: apt-get install mosquitto)")
    with Mosquitto(tmp_path / "mosquitto", free_port()) as broker:
        yield broker


def test_mqtt_message_is_a_part_and_a_lost_broker_is_told_and_comes_back(broker: Mosquitto) -> None:
    with source(kind="mqtt", host="127.0.0.1", port=broker.port, topic="line/part") as (heard, _):
        broker.kill()
        assert not heard.next(SourceState).well
        broker.start()
        assert heard.next(SourceState).well
        with Listener(broker.port) as someone:
            someone.publish("line/part", b'{"count": 1, "lot": "L4"}')
            pulse = heard.next(Pulse)
            assert (pulse.count, pulse.tag.lot) == (1, "L4")
            someone.publish("line/part", b"nonsense")
            assert "no trigger" in heard.next(SourceState).why


# ---- OPC UA


class Server:
    """A real OPC UA server with a boolean, a counter and a lot, on a thread of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/line"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._up.wait(PATIENCE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def write(self, name: str, value: object) -> None:
        asyncio.run_coroutine_threadsafe(self._nodes[name].write_value(value), self._loop).result(PATIENCE_S)

    def node(self, name: str) -> str:
        return str(self._nodes[name].nodeid.to_string())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()

    async def _start(self) -> None:
        import asyncua

        self._server = asyncua.Server()
        await self._server.init()
        self._server.set_endpoint(self.url)
        self._server.set_security_policy([asyncua.ua.SecurityPolicyType.NoSecurity])
        space = await self._server.register_namespace("line")
        named = {"part": False, "count": 0, "lot": "L0"}
        objects = self._server.nodes.objects
        self._nodes = {name: await objects.add_variable(space, name, value) for name, value in named.items()}
        await self._server.start()
        self._up.set()


def test_opcua_boolean_that_rises_is_a_part_with_its_lot() -> None:
    with Server(free_port()) as server:
        block = {"kind": "opcua", "url": server.url, "node": server.node("part"), "lot_node": server.node("lot")}
        with source(**block) as (heard, _):
            time.sleep(1.0)
            server.write("lot", "L9")
            server.write("part", True)
            assert heard.next(Pulse).tag.lot == "L9"
            server.write("part", False)
            assert heard.nothing_for(0.2)


def test_opcua_counter_tells_its_count_and_a_lost_server_is_told() -> None:
    port = free_port()
    with Server(port) as server:
        opened = source(kind="opcua", url=server.url, node=server.node("count"), timeout_s=1)
        heard, _ = opened.__enter__()
        assert heard.next(CountBegins).count == 0
        server.write("count", 1)
        assert heard.next(Pulse).count == 1
    try:
        assert not heard.next(SourceState).well
    finally:
        opened.__exit__(None, None, None)


def test_trigger_that_nobody_provides_is_named() -> None:
    with pytest.raises(UnknownPlugin, match=r"no inspector\.triggers plug-in called 'bell'"):
        trigger_settings({"kind": "bell"}, "test")
