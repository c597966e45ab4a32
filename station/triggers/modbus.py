"""Triggers from a controller by Modbus TCP: a coil that rises, or a register that counts."""

from __future__ import annotations

import threading
from typing import ClassVar, Self

from pydantic import Field, model_validator
from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient
from pymodbus.pdu import ModbusPDU

from inspector.errors import TriggerLost
from station.triggers.base import CountBegins, Pulse, Tell, TriggerSettings
from station.triggers.link import Link, Up

_REGISTER_VALUES = 2**16


class ModbusSettings(TriggerSettings):
    """`kind = "modbus"`: a coil, a counter, or a coil with a counter that accounts for its rises."""

    host: str = Field(min_length=1, description="address of the controller")
    port: int = Field(default=502, ge=1, le=65535, description="its port")
    device: int = Field(default=1, ge=0, le=255, description="its unit number")
    coil: int | None = Field(default=None, ge=0, le=65535, description="each rise of this coil is a part")
    clear: bool = Field(default=False, description="write the coil back to 0 when its rise was taken")
    counter: int | None = Field(default=None, ge=0, le=65535, description="holding register that counts parts, 16 bits")
    poll_ms: float = Field(default=5.0, ge=1, le=10_000, description="time between two looks")
    timeout_s: float = Field(default=1.0, gt=0, le=60, description="a controller silent for so long is lost")

    @model_validator(mode="after")
    def _one_sign(self) -> ModbusSettings:
        if self.coil is None and self.counter is None:
            raise ValueError("expected coil, or counter, or both")
        return self


class ModbusTrigger:
    """Polls. What the coil or the counter says at the first look is where it begins, and no part."""

    Settings: ClassVar[type[ModbusSettings]] = ModbusSettings

    def __init__(self, settings: ModbusSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._link = Link(f"modbus {settings.host}:{settings.port}", tell, self._serve)
        self._count: int | None = None
        """Parts so far by the controller's counter, without its wrapping round; kept while the controller is away."""

    def __enter__(self) -> Self:
        self._link.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._link.__exit__(*exc)

    def _serve(self, stop: threading.Event, up: Up) -> None:
        settings = self._settings
        client = ModbusTcpClient(settings.host, port=settings.port, timeout=settings.timeout_s, retries=0)
        try:
            if not client.connect():  # type: ignore[no-untyped-call]
                raise TriggerLost("no connection")
            look = self._look_at_counter if settings.coil is None else self._look_at_coil
            if settings.counter is not None and self._count is None:
                self._tell(CountBegins(self._read_counter(client)))
            before = look(client, None)
            up()
            while not stop.wait(settings.poll_ms / 1e3):
                before = look(client, before)
        except (ModbusException, OSError) as error:
            raise TriggerLost(str(error)) from error
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _look_at_coil(self, client: ModbusTcpClient, before: int | None) -> int:
        settings = self._settings
        coil = settings.coil or 0
        now = int(_checked(client.read_coils(coil, count=1, device_id=settings.device)).bits[0])
        if now and before == 0:
            self._tell(Pulse(count=None if settings.counter is None else self._read_counter(client)))
            if settings.clear:
                _checked(client.write_coil(coil, False, device_id=settings.device))
                return 0
        return now

    def _look_at_counter(self, client: ModbusTcpClient, before: int | None) -> int:
        known = self._count
        now = self._read_counter(client)
        if known is not None and now != known:
            self._tell(Pulse(count=now))  # of those that came between two looks the others are counted as missed
        return now

    def _read_counter(self, client: ModbusTcpClient) -> int:
        """Return the parts so far by the controller's counter, which wraps round and ours does not."""
        settings = self._settings
        answer = client.read_holding_registers(settings.counter or 0, count=1, device_id=settings.device)
        now = int(_checked(answer).registers[0])
        self._count = now if self._count is None else self._count + (now - self._count) % _REGISTER_VALUES
        return self._count


def _checked(answer: ModbusPDU) -> ModbusPDU:
    if answer.isError():
        raise TriggerLost(f"the controller answers {answer}")
    return answer
