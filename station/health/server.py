"""The health port: a bounded number of connections, one request each, and nobody who is slow keeps anybody waiting.

accept thread --a thread per connection, at most MOST_CONNECTIONS--> head -> answer, or a stream of events until it ends
"""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from station.health import answers
from station.health.answers import Answer, Streams
from station.health.document import Health
from station.health.hub import HISTORY, Hub, Span
from station.health.request import Refused, Request, admit, parse_head, read_head
from station.preview import PreviewSlot

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
MOST_STREAMS = 8
STREAM_BUFFER_BYTES = 65_536
"""What is sent and not read waits here; small, so that a reader who does not read is noticed."""
LOAD_S = 5.0
_LINGER_S = 0.5
_CALM = "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nServer: open-inspector\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long whom is waited for."""

    head_s: float = 2.0
    """A request is whole within this, however slowly it comes."""
    send_s: float = 5.0
    """What does not leave for so long was sent to somebody who does not read."""
    alive_s: float = 5.0
    """A stream with nothing to tell says that it lives."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The health that is told, and its document."""

    health: Health
    document: bytes


class HealthServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves at a socket that listens already. `shown` is replaced by whoever watches the station."""

    daemon_threads = False
    block_on_close = True

    def __init__(
        self,
        listening: socket.socket,
        shown: Shown,
        hub: Hub,
        slots: Mapping[str, PreviewSlot],
        token: bytes | None,
        patience: Patience = Patience(),
    ) -> None:
        super().__init__(listening.getsockname()[:2], _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.socket.setblocking(False)  # a client that is gone before it is accepted holds nobody up
        self.shown, self.hub, self.slots, self.token = shown, hub, slots, token
        self.patience = patience
        self.dropped = 0
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.stream_room = threading.BoundedSemaphore(MOST_STREAMS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self._turn_away(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system gives no further thread
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def _turn_away(self, request: socket.socket) -> None:
        """Say so without waiting: a socket that is new takes a line."""
        refused = Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_CONNECTIONS} connections are open; come again")
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(_encoded(answers.refusal(refused), with_body=True))
        self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.error("health: a request failed", exc_info=True)  # noqa: LOG014 - called while it is handled


class _Connection(socketserver.BaseRequestHandler):
    server: HealthServer
    request: socket.socket

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the other side has gone, or does not read: nobody waits for it
            try:
                request = parse_head(read_head(self.request, self.server.patience.head_s))
            except Refused as refused:
                self._refuse(refused)
            else:
                self._serve(request)

    def _serve(self, request: Request) -> None:
        with_body = request.method != "HEAD"
        try:
            admit(request, self.server.token)
            if request.path == "/events":
                self._stream(request)
            else:
                self._send(self._answer(request), with_body)
        except Refused as refused:
            self._refuse(refused, with_body)

    def _refuse(self, refused: Refused, with_body: bool = True) -> None:
        self._send(answers.refusal(refused), with_body)
        self._linger()

    def _answer(self, request: Request) -> Answer:
        shown = self.server.shown
        match request.path:
            case "/health":
                return answers.health_answer(shown.health, shown.document)
            case "/metrics":
                streams = Streams(self.server.hub.readers, self.server.dropped)
                return answers.metrics_answer(shown.health, streams)
            case "/preview.jpg":
                return answers.preview_answer(request, self.server.slots)
        raise Refused(HTTPStatus.NOT_FOUND, "expected /health, /metrics, /preview.jpg or /events")

    def _send(self, answer: Answer, with_body: bool) -> None:
        self.request.settimeout(self.server.patience.send_s)  # for all of it, not for each piece
        self.request.sendall(_encoded(answer, with_body))

    def _linger(self) -> None:
        """Read what a refused client still says, for a moment: to close before would take our answer from it."""
        self.request.shutdown(socket.SHUT_WR)
        until_s = time.monotonic() + _LINGER_S
        while (left_s := until_s - time.monotonic()) > 0:
            self.request.settimeout(left_s)
            if not self.request.recv(65_536):
                return

    # ---- events

    def _stream(self, request: Request) -> None:
        resume, last = request.last_event(), int(request.number("last", 0, 0, HISTORY))
        if not self.server.stream_room.acquire(blocking=False):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_STREAMS} streams are open; come again")
        try:
            if request.method == "HEAD":
                self._send(Answer(HTTPStatus.OK, b"", "text/event-stream"), with_body=False)
            else:
                self._tell(resume, last)
        finally:
            self.server.stream_room.release()

    def _tell(self, resume: int | None, last: int) -> None:
        hub = self.server.hub
        try:
            span = hub.join(LOAD_S)
            if span is None:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the ledger cannot be read; come again")
            self._tell_from(span, span.start(resume, last))
        except TimeoutError:
            self.server.dropped += 1
            raise
        finally:
            hub.leave()

    def _tell_from(self, span: Span, position: int) -> None:
        _keep_small(self.request)
        self.request.settimeout(self.server.patience.send_s)
        self.request.sendall(_stream_head() + b"retry: 2000\n\n")
        gap, position, edition = _gap(position, span), max(position, span.floor), -1
        while (news := self.server.hub.news(position, edition, self.server.patience.alive_s)) is not None:
            if position < news.floor:
                raise TimeoutError  # parts were forgotten that it has not read
            health = b"event: health\ndata: %s\n\n" % news.health if news.edition > edition else b""
            parts = b"".join(_part(part.position, part.document) for part in news.parts)
            self.request.sendall(health + gap + parts or b": alive\n\n")
            gap, edition = b"", news.edition
            position = news.parts[-1].position if news.parts else position


def _part(position: int, document: bytes) -> bytes:
    return b"id: %d\nevent: part\ndata: %s\n\n" % (position, document)


def _gap(position: int, span: Span) -> bytes:
    if position >= span.floor:
        return b""
    before = span.positions[0] if span.positions else span.floor + 1
    words = f'{{"schema":"open-inspector/event/gap/1","after":{position},"before":{before}}}'
    return f"event: gap\ndata: {words}\n\n".encode()


def _encoded(answer: Answer, with_body: bool) -> bytes:
    status = answer.status
    own = "".join(f"{name}: {words}\r\n" for name, words in answer.headers.items())
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n{_CALM}{own}\r\n"
    )
    return head.encode("latin-1") + (answer.body if with_body else b"")


def _stream_head() -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{_CALM}\r\n".encode("latin-1")


def _keep_small(connection: socket.socket) -> None:
    """Notice a reader that does not read, or is gone without a word, within seconds."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
