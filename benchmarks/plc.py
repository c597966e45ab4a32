"""A controller that speaks Modbus TCP: pymodbus's server with the program that docs/modbus.md asks for."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

ENCODER = 100
_WRITE_MANY, _READ, _WRITE_COIL = 16, 3, 5
_ANSWER = 18


@dataclass
class Plc:
    """Keeps what the station writes and acknowledges it after `scan_s`, as a program with a cycle does."""

    port: int
    scan_s: float = 0.0
    answers: bool = True
    """Acknowledges parts."""
    deaf_s: float = 0.0
    """Answers each request so much later; what a request writes is there when it comes."""
    version: int = 2
    order: tuple[int, int, int] = (0, 0, 0)
    """Number, kind and recipe of the order that it wants done."""
    answers_to_orders: list[list[int]] = field(default_factory=list)
    """Registers 18 to 22, as often as they were written."""
    parts: list[list[int]] = field(default_factory=list)
    """Registers 3 to 17 of every part, in the order in which they were written."""
    heads: list[tuple[float, list[int]]] = field(default_factory=list)
    """(time.monotonic(), registers 0 to 2) of every heartbeat."""
    withdrawn: int = 0
    coil: list[tuple[float, bool]] = field(default_factory=list)
    """(time.monotonic(), on) of every write."""
    counts_per_s: float = 0.0
    first_count: int = 0
    acknowledged: int = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self._due_s = 0.0
        self._pending = self.acknowledged
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="plc")
        self._thread.start()
        if not self._up.wait(60):
            raise RuntimeError("the controller did not start")

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        registers = SimData(0, values=[0] * 200, datatype=DataType.REGISTERS)
        coils = SimData(0, values=[False] * 16, datatype=DataType.BITS)
        blocks = ([coils], [coils], [registers], [registers])
        server = ModbusTcpServer(SimDevice(0, simdata=blocks, action=self._on_access), address=("127.0.0.1", self.port))
        await server.serve_forever(background=True)
        self._up.set()
        await self._ended.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]

    async def _on_access(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: Any
    ) -> None:
        if function == _WRITE_MANY and values is not None:
            self._written(address, list(values))
        elif function == _WRITE_COIL and values is not None:  # the server reads back what it wrote
            self.coil.append((time.monotonic(), bool(values[0])))
        if self.deaf_s:
            await asyncio.sleep(self.deaf_s)
        if function == _READ:
            self._show(registers, start)

    def _written(self, address: int, values: list[int]) -> None:
        if address == 0:
            self.heads.append((time.monotonic(), values))
        elif address == _ANSWER:
            self.answers_to_orders.append(values)
        elif len(values) == 1:
            self.withdrawn += 1
        else:
            self.parts.append(values)
            self._pending, self._due_s = values[2], time.monotonic() + self.scan_s

    def _show(self, registers: list[int], start: int) -> None:
        if self.answers and time.monotonic() >= self._due_s:
            self.acknowledged = self._pending
        counts = (self.first_count + int(time.monotonic() * self.counts_per_s)) % 2**32
        registers[32 - start : 39 - start] = [self.version, self.acknowledged, 0, len(self.parts), *self.order]
        registers[ENCODER - start : ENCODER + 2 - start] = [counts >> 16, counts & 0xFFFF]
