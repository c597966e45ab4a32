"""A reject gate that the station itself drives: one Modbus coil, on while the part at the gate may go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Self

from pydantic import Field, model_validator

from inspector.errors import PeerFault
from station.gate import EncoderTrack, GateGeometry, GateSchedule
from station.outputs.act_thread import ActThread, ControllerSettings, Heard
from station.outputs.base import JudgedPart, LineState, OutputState, TriggeredPart, diverts
from station.outputs.modbus_link import ModbusLink

_ENCODER_GAP_NS = 250_000_000
_ENCODER_SETTLES_S = 0.02


class GateSettings(ControllerSettings):
    """`kind = "gate"`. Distances are in milliseconds, or in encoder counts where `encoder_register` is set."""

    coil: int = Field(default=0, ge=0, le=65_535, description="on: the part may go; off, as at rest: it is diverted")
    distance: float = Field(gt=0, description="from the camera to the gate")
    before: float = Field(ge=0, description="a part occupies the gate from so much before its middle is there")
    after: float = Field(ge=0, description="to so much behind")
    lead_ms: float = Field(default=0, ge=0, le=10_000, description="how long the gate takes to move")
    encoder_register: int | None = Field(
        default=None, ge=0, le=65_534, description="two registers, high word first, that count the belt; unset: time"
    )
    period_ms: float = Field(default=5, ge=1, le=1000, description="the coil is decided and written so often")

    @model_validator(mode="after")
    def _reachable(self) -> GateSettings:
        if self.before >= self.distance:
            raise ValueError("before must be less than distance: a part cannot be at the gate when it is at the camera")
        return self


class GateOutput:
    """A thread that knows where every part is and holds the coil accordingly."""

    Settings: ClassVar[type[GateSettings]] = GateSettings

    def __init__(self, settings: GateSettings) -> None:
        self._thread = ActThread(settings.called, CoilWork(settings), settings.period_ms / 1e3)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.stop()

    def expect(self, part: TriggeredPart) -> None:
        self._thread.hear(part)

    def act(self, judged: JudgedPart) -> None:
        self._thread.hear(judged)

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        return (self._thread.pulse(line),)


class CoilWork:
    """Positions, schedule and coil. The coil is written on every beat, so that the I/O's own watchdog is fed by it."""

    def __init__(self, settings: GateSettings, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._settings, self._clock_ns = settings, clock_ns
        self._link = ModbusLink(settings.host, settings.port, settings.device_id, settings.timeout_ms / 1e3)
        self._schedule = GateSchedule(GateGeometry(settings.distance, settings.before, settings.after))
        self._track = EncoderTrack(_ENCODER_GAP_NS)
        self._pause = threading.Event()

    def begin(self) -> None:
        """Connect. After an outage nobody knows what went by: all parts that are on their way are diverted."""
        if not self._link.is_up:
            self._schedule = self._schedule.blind()
            self._track = EncoderTrack(_ENCODER_GAP_NS)
            self._link.connect()
            self._link.write_coil(self._settings.coil, False)
            self._settle_encoder()
        if self._settings.encoder_register is not None:
            self._read_encoder()

    def do(self, heard: Heard) -> bool:
        if isinstance(heard.said, JudgedPart):
            return self._judge(heard.said)
        position = self._position(heard.said.triggered_ns)
        if position is None:
            self._schedule = self._schedule.blind()
        else:
            self._schedule = self._schedule.expect(heard.said.part_id, position)
        return True

    def beat(self, line: LineState | None) -> None:
        now = self._position(self._ahead_ns())
        if line is None:
            self._schedule = self._schedule.blind()
        if now is None:
            self._link.write_coil(self._settings.coil, False)
            self._link.close()
            raise PeerFault(f"{self._link}: encoder not read for {_ENCODER_GAP_NS / 1e6:g} ms")
        self._schedule = self._schedule.forget(now)
        self._link.write_coil(self._settings.coil, self._schedule.lets_go(now))

    def end(self, politely: bool) -> None:
        with suppress(PeerFault):
            if politely and self._link.is_up:
                self._link.write_coil(self._settings.coil, False)
        self._link.close()

    def _judge(self, judged: JudgedPart) -> bool:
        """Note a verdict; False where a PASS changes nothing: it is too late, or the part was lost sight of."""
        now = self._position(self._ahead_ns())
        passes = not diverts(judged.verdict)
        if now is None:
            return not passes
        self._schedule = self._schedule.judge(judged.part.part_id, passes, now)
        noted = any(w.part_id == judged.part.part_id and w.passes for w in self._schedule.windows)
        return noted or not passes

    def _ahead_ns(self) -> int:
        """The moment for which the gate has to be set now, since it takes time to move."""
        return self._clock_ns() + int(self._settings.lead_ms * 1e6)

    def _position(self, at_ns: int) -> float | None:
        return at_ns / 1e6 if self._settings.encoder_register is None else self._track.at(at_ns)

    def _settle_encoder(self) -> None:
        if self._settings.encoder_register is not None:
            self._read_encoder()
            self._pause.wait(_ENCODER_SETTLES_S)

    def _read_encoder(self) -> None:
        if (register := self._settings.encoder_register) is not None:
            high, low = self._link.read_registers(register, 2)
            self._track = self._track.read(self._clock_ns(), high << 16 | low)
