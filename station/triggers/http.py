"""Triggers by HTTP: `POST /trigger` on this machine, with what the caller knows of the part."""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from inspector.errors import ConfigError, TriggerRefused
from station.access import is_known, read_token, require_guard
from station.triggers.announcement import LONGEST_BYTES, read_announcement
from station.triggers.base import Tell, TriggerSettings

_PATIENCE_S = 1.0
"""A caller that is slower to say what it wants is sent away: there is one after the other."""


class HttpSettings(TriggerSettings):
    """`kind = "http"`."""

    host: str = Field(default="127.0.0.1", description="address to listen at; beyond this machine a token is needed")
    port: int = Field(default=8471, ge=0, le=65535, description="0: any that is free")
    token_file: Path | None = Field(default=None, description="file with the token that callers must send as Bearer")

    @model_validator(mode="after")
    def _guarded(self) -> HttpSettings:
        require_guard(self.host, self.token_file)
        return self


class HttpTrigger:
    """202: the part is taken. 400, 401, 404, 405, 411, 413: no part was triggered, and why."""

    Settings: ClassVar[type[HttpSettings]] = HttpSettings

    def __init__(self, settings: HttpSettings, tell: Tell) -> None:
        self._settings = settings
        token = read_token(settings.token_file)
        self._handler = type("Handler", (_Handler,), {"tell": staticmethod(tell), "token": token})

    def __enter__(self) -> Self:
        try:
            self._server = HTTPServer((self._settings.host, self._settings.port), self._handler)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigError(f"trigger: cannot listen at {where} ({error.strerror})") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="trigger", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    tell: ClassVar[Tell]
    token: ClassVar[bytes | None]
    timeout = _PATIENCE_S
    server_version, sys_version = "open-inspector", ""

    def do_POST(self) -> None:
        status, words = self._take()
        body = json.dumps({"taken": status is HTTPStatus.ACCEPTED, "message": words}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _take(self) -> tuple[HTTPStatus, str]:
        if self.path != "/trigger":
            return HTTPStatus.NOT_FOUND, "expected POST /trigger"
        if not self._is_known():
            return HTTPStatus.UNAUTHORIZED, "expected the station's token as Bearer"
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return HTTPStatus.LENGTH_REQUIRED, "expected Content-Length"
        if int(length) > LONGEST_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected {LONGEST_BYTES} bytes at most"
        try:
            pulse = read_announcement(self.rfile.read(int(length)))
        except TriggerRefused as error:
            return HTTPStatus.BAD_REQUEST, str(error)
        type(self).tell(pulse)
        return HTTPStatus.ACCEPTED, "the part is taken"

    def _is_known(self) -> bool:
        return is_known(self.headers.get("Authorization"), self.token)

    def log_message(self, *_: object) -> None:
        """Say nothing: events are what a person looks at."""
