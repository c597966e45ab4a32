"""A request as it comes over a socket: small, whole within a time, GET or HEAD, or refused."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

from station.access import is_known

LONGEST_HEAD_BYTES = 8192


class Refused(Exception):
    """The request is answered with a status and one line."""

    def __init__(self, status: HTTPStatus, words: str, **more: object) -> None:
        super().__init__(words)
        self.status, self.words, self.more = status, words, more


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Return a parameter of the query; raise Refused."""
        words = self.query.get(name)
        try:
            value = default if words is None else float(words)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name}={words}: expected {least:g} to {most:g}")
        return value

    def last_event(self) -> int | None:
        """Return the id that the reader has seen last; raise Refused."""
        words = self.headers.get("Last-Event-ID")
        if words is None or not words.strip():
            return None
        if not (words.strip().isdecimal() and words.isascii() and len(words) < 20):
            raise Refused(HTTPStatus.BAD_REQUEST, f"Last-Event-ID {words[:40]!r}: expected the id of a part event")
        return int(words)


def read_head(connection: socket.socket, patience_s: float) -> bytes:
    """Return the request line and the headers. However slowly they come, it takes no longer than `patience_s`.

    Raises:
        Refused: they are too long, or not whole in time.
        OSError: the connection is gone.
    """
    until_s, head = time.monotonic() + patience_s, b""
    while b"\r\n\r\n" not in head:
        connection.settimeout(max(until_s - time.monotonic(), 0.001))
        try:
            piece = connection.recv(LONGEST_HEAD_BYTES)
        except TimeoutError as error:
            why = f"the request was not whole within {patience_s:g} s"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, why) from error
        if not piece:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request ended before its headers did")
        head += piece
        if len(head) > LONGEST_HEAD_BYTES:
            why = f"expected {LONGEST_HEAD_BYTES} bytes of request line and headers at most"
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, why)
    return head


def parse_head(head: bytes) -> Request:
    """Return what is asked for; raise Refused."""
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused(HTTPStatus.BAD_REQUEST, "expected a request line of HTTP/1.1")
    try:
        headers = http.client.parse_headers(BytesIO(rest))
        target = urlsplit(words[1])
        query = dict(parse_qsl(target.query, max_num_fields=8))
    except (http.client.HTTPException, ValueError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "expected headers and a path of HTTP/1.1") from error
    return Request(words[0], target.path, query, headers)


def admit(request: Request, token: bytes | None) -> None:
    """Let in whoever may ask; raise Refused.

    Where no token guards the port, a browser on this machine could be led to it by a page of another site under that
    site's own name; our clients call the port by its address or as localhost.
    """
    if not is_known(request.headers.get("Authorization"), token):
        raise Refused(HTTPStatus.UNAUTHORIZED, "expected the station's token as Bearer")
    if token is None and not _is_plain_host(request.headers.get("Host")):
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "expected an IP address or localhost as Host")
    if request.method not in ("GET", "HEAD"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET or HEAD")


def _is_plain_host(host: str | None) -> bool:
    if host is None:
        return True  # no browser leaves it out
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
