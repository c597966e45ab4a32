"""The event stream of a station's own port (docs/health.md): what it does, heard as it happens.

A thread per station. It connects again by itself, goes on behind the last part it heard, and says since when it has
heard nothing.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from db.records import utc_now
from inspector.errors import ConfigError
from inspector.values import Outcome

SILENT_S = 15.0
"""A station that is there says so every 5 s."""
CONNECT_S = 4.0
AGAIN_S = 2.0
KEPT = 50
LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """A part as the stream tells it."""

    position: int
    trigger: int
    outcome: Outcome
    label: str | None
    defect_probability: float | None
    reasons: tuple[str, ...]
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a station, in a state of NAMUR NE 107."""

    name: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a station has told, and how fresh that is."""

    address: str
    connected: bool = False
    heard_at: datetime | None = None
    """When it last said anything."""
    words: str = ""
    """Why it is not connected."""
    station: str | None = None
    state: str = ""
    may_run: bool = False
    rate_hz: float | None = None
    p99_ms: float | None = None
    devices: tuple[Device, ...] = ()
    parts: tuple[Told, ...] = ()
    """The newest, oldest first."""
    missed: int = 0
    """Parts that the stream left out; the database has them."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream of server-sent events."""

    kind: str
    content: str
    id: str | None = None


def parse_address(words: str) -> SplitResult:
    """Return where a station's port is; raise ConfigError where that is no http address."""
    parts = urlsplit(words)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"--station {words!r}: expected an address such as http://127.0.0.1:8472")
    return parts


def server_events(lines: Iterable[bytes]) -> Iterator[ServerEvent | None]:
    """Each event, and None for each sign of life between them."""
    kind, last = "message", None
    content: list[str] = []
    for line in lines:
        words = line.decode("utf-8", "replace").rstrip("\r\n")
        name, _, value = words.partition(":")
        value = value.removeprefix(" ")
        if words == "" and content:
            yield ServerEvent(kind, "\n".join(content), last)
        if words == "":
            kind, content, last = "message", [], None
        elif name == "":
            yield None
        elif name == "event":
            kind = value
        elif name == "data":
            content.append(value)
        elif name == "id":
            last = value


def told(heard: Heard, event: ServerEvent | None, now: datetime) -> Heard:
    """What is known after an event; one that cannot be read is a sign of life and nothing more."""
    heard = replace(heard, connected=True, heard_at=now, words="")
    if event is None:
        return heard
    try:
        content = json.loads(event.content)
        return _READERS[event.kind](heard, content) if event.kind in _READERS else heard
    except (ValueError, KeyError, TypeError):
        return heard


def _health(heard: Heard, content: dict[str, Any]) -> Heard:
    return replace(
        heard,
        station=str(content["station"]),
        state=str(content["state"]),
        may_run=content["may_run"] is True,
        rate_hz=content.get("rate_hz"),
        p99_ms=content.get("p99_ms"),
        devices=tuple(Device(each["device"], each["state"], each["words"]) for each in content["devices"]),
    )


def _part(heard: Heard, content: dict[str, Any]) -> Heard:
    part = Told(
        position=int(content["position"]),
        trigger=int(content["trigger"]),
        outcome=Outcome(content["outcome"]),
        label=content["label"],
        defect_probability=content["defect_probability"],
        reasons=tuple(content["reasons"]),
        latency_ms=content["latency_ms"],
    )
    if heard.parts and part.position <= heard.parts[-1].position:
        return heard
    return replace(heard, station=str(content["station"]), parts=(*heard.parts, part)[-KEPT:])


def _gap(heard: Heard, content: dict[str, Any]) -> Heard:
    return replace(heard, missed=heard.missed + int(content["before"]) - int(content["after"]) - 1)


_READERS: dict[str, Callable[[Heard, dict[str, Any]], Heard]] = {"health": _health, "part": _part, "gap": _gap}


class StationStream:
    """Listens until it is closed. `tell` is called on its thread, with every change."""

    def __init__(
        self, address: str, tell: Callable[[Heard], None], token: str | None = None, again_s: float = AGAIN_S
    ) -> None:
        self._parts, self._tell, self._token, self._again_s = parse_address(address), tell, token, again_s
        self._heard = Heard(address)
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name=f"desktop stream {address}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing more, and end soon: at once while it listens, after the connecting while it connects."""
        self._stop.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # ends a read that waits, which closing would not

    def close(self) -> None:
        """Stop, and wait until it has."""
        self.stop()
        self._thread.join(SILENT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
                words = "the station ended the stream"
            except (OSError, http.client.HTTPException) as error:
                words = str(error) or type(error).__name__
            if self._stop.is_set():
                return
            self._change(replace(self._heard, connected=False, words=words))
            self._stop.wait(self._again_s)

    def _listen(self) -> None:
        host, port = self._parts.hostname or "", self._parts.port or 80
        connection = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
        try:
            connection.connect()
            self._socket = connection.sock  # the connection forgets it with the head of the answer
            self._socket.settimeout(SILENT_S)
            connection.request("GET", f"/events?last={KEPT}", headers=self._headers())
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise http.client.HTTPException(f"HTTP {response.status} {response.reason}")
            for event in server_events(_lines(response)):
                if self._stop.is_set():
                    return
                self._change(told(self._heard, event, utc_now()))
        finally:
            self._socket = None
            connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._heard.parts:
            headers["Last-Event-ID"] = str(self._heard.parts[-1].position)
        return headers

    def _change(self, heard: Heard) -> None:
        self._heard = heard
        if not self._stop.is_set():
            self._tell(heard)


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := response.readline(LONGEST_LINE):
        yield line
