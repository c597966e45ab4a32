"""Who hears a station's parts in the fault campaign: by broker, web server, OPC UA and controller.

Each keeps the ids of the parts that it heard, in the order in which it heard them, repeats and all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import UUID

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.ua.uaerrors import UaError

from benchmarks.hearing import Written
from benchmarks.peers import Listener
from benchmarks.plc import Plc
from inspector.values import Outcome
from station.outputs.modbus_map import OUTCOMES
from station.outputs.opcua_space import MACHINE_VISION, OURS

_PATIENCE_S = 30.0
"""A client that is answered later than this takes the station for dead, and connects anew."""
_AT_ONCE = 200
_OUTCOME_REGISTER, _REASON_REGISTER, _ID_REGISTERS = 3, 4, 7
"""Where a part's outcome and reason are and its id begins, in what the controller keeps of it."""


@contextmanager
def broker_subscriber(port: int, topic: str) -> Iterator[list[str]]:
    """Yield the ids that come over a broker; the subscription outlives lost connections."""
    ids: list[str] = []
    with Listener(port, topic, lambda payload: ids.append(json.loads(payload)["part_id"])):
        yield ids


@contextmanager
def web_server(port: int) -> Iterator[list[str]]:
    """Yield the ids that are posted."""
    ids: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # a station that is killed is no news
                super().handle()

        def do_POST(self) -> None:
            ids.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["part_id"])
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="web-server")
        thread.start()
        try:
            yield ids
        finally:
            server.shutdown()
            thread.join()


def controller_parts(plc: Plc) -> list[Written]:
    """Return the parts that were written into a controller, in that order."""
    return [
        Written(_id(part[_ID_REGISTERS:]), part[_OUTCOME_REGISTER] == OUTCOMES[Outcome.PASS], part[_REASON_REGISTER])
        for part in list(plc.parts)
    ]


def _id(words: list[int]) -> str:
    return str(UUID(bytes=b"".join(word.to_bytes(2, "big") for word in words)))


class OpcUaSubscriber:
    """A client that does what docs/outputs.md asks: it subscribes, and then asks for what it missed while it was away.

    Events that come before that is answered wait. Everything runs on a thread of its own.
    """

    def __init__(self, url: str, station: str) -> None:
        self.ids: list[str] = []
        self._url, self._station = url, station
        self._position, self._early = 0, list[Any]()
        self._is_behind = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), name="opcua-subscriber")
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # a server that is killed is no news

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def event_notification(self, event: Any) -> None:
        if self._is_behind:
            self._early.append(event)
        else:
            self._hear(event)

    def _hear(self, told: Any) -> None:
        self.ids.append(told.PartId)
        self._position = max(self._position, told.Position)

    async def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                await self._stay_connected()
            except (OSError, TimeoutError, asyncio.CancelledError, UaError):
                await asyncio.sleep(0.2)

    async def _stay_connected(self) -> None:
        self._early, self._is_behind = [], True
        async with Client(self._url, timeout=_PATIENCE_S, watchdog_intervall=_PATIENCE_S) as client:
            await client.load_data_type_definitions()
            ours = await client.get_namespace_index(OURS)
            theirs = await client.get_namespace_index(MACHINE_VISION)
            system = await client.nodes.objects.get_child([f"{ours}:{self._station}"])
            ready = [f"{theirs}:ResultReadyEventType", f"{ours}:InspectionResultReadyEventType"]
            subscription = await client.create_subscription(50, self)
            await subscription.subscribe_events(system, await client.nodes.base_event_type.get_child(ready))
            await self._catch_up(await system.get_child([f"{theirs}:ResultManagement"]), f"{ours}:GetResultsAfter")
            while not self._ended.is_set():
                await client.nodes.server_state.read_value()
                await asyncio.sleep(0.2)

    async def _catch_up(self, management: Node, method: str) -> None:
        most = ua.Variant(_AT_ONCE, ua.VariantType.UInt32)
        while missed := await management.call_method(method, ua.Variant(self._position, ua.VariantType.UInt64), most):
            for each in missed:
                self._hear(each)
        for event in self._early:
            self._hear(event)
        self._is_behind = False
