"""Triggers from an OPC UA server: a node that becomes true, or one that counts."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, Self

from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError
from pydantic import Field

from inspector.errors import TriggerLost
from inspector.values import PartTag
from station.triggers.base import CountBegins, Pulse, Tell, TriggerSettings
from station.triggers.link import Link, Up, serve_async

logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what it says of a lost server, we say in our words

_FAULTS = (UaError, OSError, asyncio.TimeoutError, ConnectionError)


class OpcUaSettings(TriggerSettings):
    """`kind = "opcua"`."""

    url: str = Field(pattern=r"^opc\.tcp://", description="address of the server")
    node: str = Field(min_length=1, description="node id: a boolean whose rise is a part, or an integer counting parts")
    part_id_node: str | None = Field(default=None, description="node with the part's id, read with each trigger")
    lot_node: str | None = Field(default=None, description="node with its lot")
    serial_node: str | None = Field(default=None, description="node with its serial number")
    publish_ms: float = Field(default=10.0, ge=1, le=10_000, description="how often the server reports changes")
    timeout_s: float = Field(default=2.0, gt=0, le=60, description="a server silent for so long is lost")


class OpcUaTrigger:
    """Subscribes to changes. The first value is where it begins, and no part."""

    Settings: ClassVar[type[OpcUaSettings]] = OpcUaSettings

    def __init__(self, settings: OpcUaSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._link = Link(f"opcua {settings.url}", tell, serve_async(self._listen))
        self._last: int | bool | None = None
        """Kept while the server is away: what its counter counted meanwhile was missed."""

    def __enter__(self) -> Self:
        self._link.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._link.__exit__(*exc)

    async def _listen(self, up: Up) -> None:
        settings = self._settings
        changes: asyncio.Queue[Any] = asyncio.Queue(maxsize=1024)
        try:
            async with Client(settings.url, timeout=settings.timeout_s) as client:
                subscription = await client.create_subscription(settings.publish_ms, _Changes(changes))
                await subscription.subscribe_data_change(client.get_node(settings.node), queuesize=100)
                tags = self._tag_nodes(client)
                up()
                while True:
                    await self._take(await self._next(client, changes), tags)
        except _FAULTS as error:
            raise TriggerLost(str(error) or type(error).__name__) from error

    async def _next(self, client: Client, changes: asyncio.Queue[Any]) -> Any:
        """Wait for the next value, and see now and then that the server is still there."""
        while True:
            try:
                return await asyncio.wait_for(changes.get(), self._settings.timeout_s)
            except TimeoutError:
                await client.check_connection()
                await client.get_node(ObjectIds.Server_ServerStatus_State).read_value()

    def _tag_nodes(self, client: Client) -> list[Node | None]:
        named = (self._settings.part_id_node, self._settings.lot_node, self._settings.serial_node)
        return [client.get_node(name) if name else None for name in named]

    async def _take(self, value: Any, tags: list[Node | None]) -> None:
        if not isinstance(value, bool | int):
            raise TriggerLost(f"node {self._settings.node} is {value!r}; expected a boolean or an integer")
        last, self._last = self._last, value
        if last is None and not isinstance(value, bool):
            self._tell(CountBegins(int(value)))
        if last is None or value == last or value is False:
            return
        words = [None if node is None else str(await node.read_value())[:128] or None for node in tags]
        count = None if isinstance(value, bool) else int(value)
        self._tell(Pulse(PartTag(*words), count))


class _Changes:
    """What asyncua calls when the node changes."""

    def __init__(self, changes: asyncio.Queue[Any]) -> None:
        self._changes = changes

    def datachange_notification(self, _node: Node, value: Any, _change: Any) -> None:
        self._changes.put_nowait(value)
