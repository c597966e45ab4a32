"""Verdicts in a controller's registers, by a two-step handshake: the station writes n, the controller answers n.

The station is the client. The controller owns the gate and diverts unless it has a PASS in time; docs/modbus.md says
what it has to do. Orders go the other way by the same two steps: the controller writes n, the station answers n.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from inspector.errors import PeerFault
from station.outputs import modbus_map as registers
from station.outputs.act_thread import ActThread, ControllerSettings, Heard
from station.outputs.base import JudgedPart, LineState, OutputState, TriggeredPart, diverts
from station.outputs.modbus_link import ModbusLink

if TYPE_CHECKING:  # the vision process knows these settings, and loads no database
    from station.order_book import OrderBook
    from station.outputs.modbus_orders import ControllerOrders

_ASK_AGAIN_S = 0.002


class ModbusSettings(ControllerSettings):
    """`kind = "modbus"`."""

    station_base: int = Field(default=0, ge=0, le=65_500, description="first register of the station's block")
    plc_base: int = Field(default=32, ge=0, le=65_500, description="first register of the controller's block")
    heartbeat_ms: float = Field(default=100, ge=10, le=10_000, description="the heart beats so often while all is well")
    acknowledge_ms: float = Field(
        default=100, ge=1, le=60_000, description="the controller has so long to answer a part"
    )
    act_within_ms: float = Field(
        default=200, ge=1, le=60_000, description="a verdict that is older is withheld, and the part diverted"
    )
    orders: bool = Field(default=False, description="the controller may give orders to the station")
    recipes: tuple[str, ...] = Field(
        default_factory=tuple, max_length=1000, description="recipes by which number the controller knows them, from 1"
    )

    @property
    def recipes_known(self) -> tuple[str, ...]:
        return self.recipes


class ModbusOutput:
    """A thread that writes each part's registers and waits for its acknowledgement, one part at a time."""

    Settings: ClassVar[type[ModbusSettings]] = ModbusSettings

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._handshake = Handshake(settings)
        self._thread = ActThread(settings.called, self._handshake, settings.heartbeat_ms / 1e3)

    def take_orders(self, book: OrderBook) -> None:
        """Let the controller give orders, where the configuration does. Called before it is opened."""
        from station.outputs.modbus_orders import ControllerOrders

        if self._settings.orders:
            self._handshake.orders = ControllerOrders(self._settings, book)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.stop()

    def expect(self, part: TriggeredPart) -> None:
        return None

    def act(self, judged: JudgedPart) -> None:
        self._thread.hear(judged)

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        return (self._thread.pulse(line),)


class Handshake:
    """The station's side of the register map."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._link = ModbusLink(settings.host, settings.port, settings.device_id, settings.timeout_ms / 1e3)
        self._sequence = self._heartbeat = 0
        self._let_go = 0
        self._said: registers.Answer | None = None
        self._pause = threading.Event()
        self.orders: ControllerOrders | None = None

    def begin(self) -> None:
        """Connect, and go on behind what the controller acknowledged last: no old answer counts for a new part."""
        if not self._link.is_up:
            self._said = None
            self._link.connect()
            self._sequence = self._plc().acknowledged

    def do(self, heard: Heard) -> bool:
        judged = heard.said
        if not isinstance(judged, JudgedPart):
            return True
        if time.monotonic_ns() - heard.at_ns > self._settings.act_within_ms * 1e6 or not self._is_in_order(judged):
            return False
        self._sequence = registers.next_sequence(self._sequence)
        self._link.write_registers(
            self._settings.station_base + registers.PART, registers.part_words(self._sequence, judged)
        )
        if self._is_acknowledged():
            return True
        self._link.write_registers(self._settings.station_base + registers.OUTCOME, [registers.WITHDRAWN])
        raise PeerFault(
            f"{self._link}: part {judged.part.trigger} not acknowledged in {self._settings.acknowledge_ms:g} ms"
        )

    def _is_in_order(self, judged: JudgedPart) -> bool:
        """Parts that are let go come in the order of their triggers: a controller may drop what lies before one."""
        if diverts(judged.verdict):
            return True
        is_next, self._let_go = judged.part.trigger > self._let_go, max(judged.part.trigger, self._let_go)
        return is_next

    def beat(self, line: LineState | None) -> None:
        if line is None:
            return  # the heart stops, and the controller diverts
        self._heartbeat = (self._heartbeat + 1) % 0x1_0000
        self._link.write_registers(
            self._settings.station_base + registers.HEAD, registers.head_words(self._heartbeat, line.state)
        )
        self._answer(line)

    def _answer(self, line: LineState) -> None:
        """See what the controller orders; say what became of it, and what is in force."""
        answer = registers.Answer() if self.orders is None else self.orders.answer(self._plc())
        recipes = self._settings.recipes
        number = recipes.index(line.recipe) + 1 if line.recipe in recipes else 0
        answer = replace(answer, recipe=number, held=bool(line.held))
        if answer != self._said:
            self._link.write_registers(self._settings.station_base + registers.ANSWER, registers.answer_words(answer))
            self._said = answer

    def end(self, politely: bool) -> None:
        """Withdraw the last outcome and say that the station has ended; the heart has stopped anyway."""
        try:
            if politely and self._link.is_up:
                self.beat(LineState("ended"))
                self._link.write_registers(self._settings.station_base + registers.OUTCOME, [registers.WITHDRAWN])
        except PeerFault:
            pass
        finally:
            self._link.close()

    def _is_acknowledged(self) -> bool:
        until_s = time.monotonic() + self._settings.acknowledge_ms / 1e3
        while self._plc().acknowledged != self._sequence:
            if time.monotonic() > until_s:
                return False
            self._pause.wait(_ASK_AGAIN_S)
        return True

    def _plc(self) -> registers.PlcBlock:
        return registers.plc_block(self._link.read_registers(self._settings.plc_base, registers.PLC_WORDS))
