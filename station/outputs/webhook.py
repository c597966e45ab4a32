"""Each part as an HTTP POST of JSON, signed, over one connection that is kept."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from db.records import Report
from inspector.documents import read_bytes
from inspector.errors import ConfigError, PeerFault, ReportRefused
from station.outputs.base import About, LineState, TellSettings
from station.outputs.document import part_document

ALREADY_THERE = 409
NEVER = {400, 405, 410, 411, 413, 414, 415, 422, 431}
"""Answers that say that this request will never be taken. All others but 2xx and 409 are tried again."""
_LONGEST_ANSWER = 65_536


class WebhookSettings(TellSettings):
    """`kind = "webhook"`."""

    url: str = Field(description="http:// or https:// address that takes the parts")
    secret_file: Path | None = Field(default=None, description="file with the key that signs; unset: not signed")
    ca_file: Path | None = Field(default=None, description="certificates to trust; unset: those of the system")

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://HOST/PATH or https://HOST/PATH")
        if parts.username or parts.password:
            raise ValueError("expected no user name and no password in the address")
        return url


class WebhookTeller:
    """Posts parts one after the other; the next one leaves when the peer has answered for the one before."""

    Settings: ClassVar[type[WebhookSettings]] = WebhookSettings

    def __init__(self, settings: WebhookSettings, about: About, now_s: Callable[[], float] = time.time) -> None:
        self._settings, self._now_s = settings, now_s
        self._url = urlsplit(settings.url)
        self._secret = read_bytes(settings.secret_file, ConfigError).strip() if settings.secret_file else None
        if settings.ca_file is not None:
            read_bytes(settings.ca_file, ConfigError)
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def attend(self, line: LineState) -> None:
        return None

    def tell(self, reports: Sequence[Report]) -> None:
        for told, report in enumerate(reports):
            status = self._post(report, told)
            if 200 <= status < 300 or status == ALREADY_THERE:
                continue
            words = f"{self._settings.url} answered {status}"
            raise ReportRefused(words, told) if status in NEVER else PeerFault(words, told)

    def _post(self, report: Report, told: int) -> int:
        body = part_document(report)
        kept = self._connection is not None
        try:
            return self._request(body, str(report.record.part_id))
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self._close()
            if not kept:
                raise PeerFault(f"{self._settings.url}: {_words(error)}", told) from error
        except (OSError, http.client.HTTPException) as error:
            self._close()
            raise PeerFault(f"{self._settings.url}: {_words(error)}", told) from error
        return self._post(report, told)  # the peer had closed a kept connection, as servers do after a while

    def _request(self, body: bytes, part_id: str) -> int:
        connection = self._connection or self._connect()
        self._connection = connection
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection.request("POST", target, body, self._headers(body, part_id))
        answer = connection.getresponse()
        answer.read(_LONGEST_ANSWER)
        if not answer.isclosed():
            self._close()  # more than anybody has to say; the connection is of no further use
        return answer.status

    def _headers(self, body: bytes, part_id: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": part_id, "User-Agent": "open-inspector"}
        if self._secret is not None:
            headers["X-Inspector-Signature"] = signature(self._secret, int(self._now_s()), body)
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        host, port, timeout_s = self._url.hostname or "", self._url.port, self._settings.timeout_s
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        trusted = ssl.create_default_context(cafile=self._settings.ca_file)
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=trusted)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """Return `t=UNIX_SECONDS,v1=HEX`: the HMAC-SHA256 of the moment, a full stop and the body, under the secret."""
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def _words(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
