"""One connection to an MQTT 5 broker: it is there and everything was acknowledged, or there is a PeerFault.

The session is clean. What a broker did not acknowledge before the connection was lost is published again by whoever
asked for it: the ledger is the only queue, and two queues could not both be right.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import PeerFault

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

_GOOD_BYE_S = 1.0

Message = tuple[str, bytes, str | None]
"""Topic, payload, and the part's id as a user property."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and how one gets in."""

    host: str
    port: int
    client_id: str
    username: str | None
    password: str | None = field(repr=False)
    tls: bool
    ca_file: Path | None
    keepalive_s: int
    timeout_s: float

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we are gone without a word."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class MqttSession:
    """Used by one thread; the library's own thread reads and keeps the connection alive.

    `will` makes the last will of each connection, `greet` is called when one is there, `hear` for each message that
    comes on a topic of `topics`: on the library's thread.
    """

    def __init__(
        self,
        broker: Broker,
        will: Callable[[], Will],
        greet: Callable[[], None],
        topics: Sequence[str] = (),
        hear: Callable[[str, bytes], None] = lambda topic, payload: None,
    ) -> None:
        self._broker, self._will, self._greet, self._topics, self._hear = broker, will, greet, topics, hear
        self._client: Client | None = None
        self._answered, self._refusal, self._lost = threading.Event(), "", threading.Event()
        self._refused: dict[int, str] = {}

    @property
    def is_up(self) -> bool:
        return self._client is not None and not self._lost.is_set()

    def connect(self) -> None:
        """Have a connection, a new one where the last one was lost; raise PeerFault."""
        if self.is_up:
            return
        self.close()
        self._client = self._begin()
        self._wait_for_answer()
        self._greet()

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Return when the broker has acknowledged the message (qos 0: when it was sent)."""
        info = self._up().publish(topic, payload, qos, retain)
        if qos:
            self._wait_for(info, 0)

    def publish_all(self, messages: Sequence[Message], qos: int) -> None:
        """Send all, then wait for all acknowledgements; a PeerFault says how many, from the first on, came."""
        client = self._up()
        sent = [client.publish(topic, payload, qos, properties=_properties(key)) for topic, payload, key in messages]
        for told, info in enumerate(sent):
            self._wait_for(info, told)

    def close(self) -> None:
        """Say good-bye where somebody listens, and forget the connection."""
        if self._client is not None and not self._lost.is_set():
            self._client.disconnect()
            self._lost.wait(_GOOD_BYE_S)
        self.drop()

    def drop(self) -> None:
        """Forget the connection as it is: to the broker it is lost, unless a good-bye came before."""
        client, self._client = self._client, None
        if client is None:
            return
        link = client.socket()
        if isinstance(link, socket.socket):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)  # the library's thread would else wait for a peer that is half-open
        client.loop_stop()

    def _up(self) -> Client:
        if self._client is None or self._lost.is_set():
            raise self._fault("connection lost")
        return self._client

    def _wait_for(self, info: MQTTMessageInfo, told: int) -> None:
        """Wait in short steps: once the connection is gone, no acknowledgement will come."""
        until_s = time.monotonic() + self._broker.timeout_s  # of each message: a slow broker that goes on is well
        try:
            while not info.is_published():
                left_s = until_s - time.monotonic()
                if self._lost.is_set():
                    raise self._fault("connection lost", told)
                if left_s <= 0:
                    raise self._fault("no answer in time", told)
                info.wait_for_publish(min(left_s, 0.1))
        except (RuntimeError, ValueError) as error:
            self._lost.set()
            raise self._fault(str(error), told) from error
        except PeerFault:
            self._lost.set()
            raise
        if (refusal := self._refused.pop(info.mid, None)) is not None:
            raise self._fault(f"refused a message ({refusal})", told)

    def _fault(self, words: str, told: int = 0) -> PeerFault:
        return PeerFault(f"broker {self._broker}: {words}", told)

    def _begin(self) -> Client:
        client = self._make_client()
        self._answered.clear()
        self._lost.clear()
        self._refused.clear()
        self._refusal = ""
        try:
            client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s)
        except (OSError, ValueError) as error:
            raise self._fault(_words(error)) from error
        client.loop_start()
        return client

    def _wait_for_answer(self) -> None:
        if not self._answered.wait(self._broker.timeout_s):
            self.drop()
            raise self._fault("no answer in time")
        if self._refusal:
            self.drop()
            raise self._fault(self._refusal)

    def _make_client(self) -> Client:
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        client: Client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._broker.client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = self._broker.timeout_s
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=self._broker.ca_file))
        will = self._will()
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = lambda _client, _userdata, message: self._hear(message.topic, bytes(message.payload))
        return client

    def _on_connect(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"refused the connection ({reason})"
        else:
            for topic in self._topics:
                client.subscribe(topic, 1)
        self._answered.set()

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refused[mid] = str(reason)

    def _on_disconnect(self, *_: Any) -> None:
        self._lost.set()
        if not self._answered.is_set():
            self._refusal = "connection lost"
            self._answered.set()


def _properties(key: str | None) -> Any:
    if key is None:
        return None
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = ("part_id", key)
    return properties


def _words(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)
