"""The station as an OPC UA server after OPC 40100-1 (Machine Vision); docs/outputs.md says which parts are there."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field, model_validator

from db.records import Report
from inspector.documents import read_bytes
from inspector.errors import ConfigError, PeerFault
from station.outputs.base import About, LineState, TellSettings, require_library

if TYPE_CHECKING:
    from station.outputs.opcua_space import VisionSystem

T = TypeVar("T")
_START_S = 600.0
"""Making the address space takes 1.5 s of a processor, which a busy small box gives to this process last: once in
minutes. To give up and begin anew would only take longer."""


class OpcUaSettings(TellSettings):
    """`kind = "opcua"`."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0: all networks")
    port: int = Field(default=4840, ge=1, le=65535, description="port to listen on")
    kept: int = Field(default=1000, ge=1, le=100_000, description="results that GetResultById still knows")
    orders: bool = Field(default=False, description="clients may give orders to the station")
    anonymous: bool | None = Field(
        default=None,
        description="anybody, without encryption; unset: where only this machine can ask, and nothing else",
    )
    trusted: Path | None = Field(
        default=None, description="folder with certificates of clients, or of who signs them; then they need one"
    )
    username: str | None = Field(default=None, min_length=1, description="then clients need this name")
    password_file: Path | None = Field(default=None, description="and the password in this file")
    certificate: Path | None = Field(default=None, description="the station's certificate; unset: it makes its own")
    private_key: Path | None = Field(default=None, description="its key")

    @property
    def is_secured(self) -> bool:
        """Whether there is something that clients have to show or know, which takes encryption."""
        return self.trusted is not None or self.username is not None

    @property
    def lets_anybody_in(self) -> bool:
        return (_is_loopback(self.host) and not self.is_secured) if self.anonymous is None else self.anonymous

    @model_validator(mode="after")
    def _somebody_comes_in(self) -> OpcUaSettings:
        for one, other in (("certificate", "private_key"), ("username", "password_file")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} go together; expected both or neither")
        if not self.is_secured and not self.lets_anybody_in:
            raise ValueError(
                "nobody could connect; expected trusted, or username and password_file, or anonymous = true"
            )
        return self

    def read_password(self) -> bytes:
        """Return the password, empty where none is wanted, and look whether the other files are there.

        Raises:
            ConfigError: one is not.
        """
        for file in (self.certificate, self.private_key):
            if file is not None:
                read_bytes(file, ConfigError)
        if self.trusted is not None and not self.trusted.is_dir():
            raise ConfigError(f"{self.trusted}: trusted: no such folder; expected one with certificates")
        if self.password_file is None:
            return b""
        if not (password := read_bytes(self.password_file, ConfigError).strip()):
            raise ConfigError(f"{self.password_file}: password_file is empty; expected a password")
        return password


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OpcUaTeller:
    """A part counts as told when its result is in the address space and its event was handed to the subscriptions.

    The server's asyncio loop has a thread of its own; nothing of asyncio leaves this class.
    """

    Settings: ClassVar[type[OpcUaSettings]] = OpcUaSettings

    def __init__(self, settings: OpcUaSettings, about: About) -> None:
        require_library("asyncua", settings.kind)
        settings.read_password()
        self._settings, self._about = settings, about
        self._system: VisionSystem | None = None
        self._thread = threading.Thread(target=self._serve, name=f"opcua-{settings.called}", daemon=True)
        self._said: LineState | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self._system is not None:
                self._await(self._system.stop())
        except PeerFault:
            pass
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def attend(self, line: LineState) -> None:
        if self._system is None:
            self._system = self._await(self._start(), wait_s=_START_S)
            self._said = None
        if line != self._said:
            self._await(self._system.show_state(line))
            self._said = line

    def tell(self, reports: Sequence[Report]) -> None:
        if self._system is None:
            raise PeerFault(f"{self}: not started")
        for told, report in enumerate(reports):
            self._await(self._system.show_result(report), told)

    def __str__(self) -> str:
        return f"OPC UA server {self._settings.host}:{self._settings.port}"

    async def _start(self) -> VisionSystem:
        from station.outputs.opcua_space import VisionSystem

        system = VisionSystem(self._settings, self._about)
        try:
            await system.start()
        except OSError as error:
            raise PeerFault(f"{self}: cannot listen ({error.strerror or error})") from error
        return system

    def _await(self, work: Coroutine[Any, Any, T], told: int = 0, wait_s: float | None = None) -> T:
        """Have the loop's thread do `work`, and wait for it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(wait_s or self._settings.timeout_s)
        except FutureTimeout as error:
            future.cancel()
            raise PeerFault(f"{self}: does not come to an end", told) from error

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
