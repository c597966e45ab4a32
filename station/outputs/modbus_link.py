"""Modbus TCP with deadlines: the library makes and reads the frames, the socket and the clock are ours.

The library's own client waits by the wall clock, and would wait for an hour when that is set back by one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inspector.errors import PeerFault, RuntimeUnavailable

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU


class ModbusLink:
    """One connection to a Modbus TCP server, opened when it is needed. One thread uses it."""

    def __init__(self, host: str, port: int, device_id: int, timeout_s: float) -> None:
        self._host, self._port, self._device_id, self._timeout_s = host, port, device_id, timeout_s
        self._protocol = _library()
        self._socket: socket.socket | None = None
        self._transaction = 0

    def __str__(self) -> str:
        return f"controller {self._host}:{self._port}"

    @property
    def is_up(self) -> bool:
        return self._socket is not None

    def connect(self) -> None:
        """Have a connection; raise PeerFault."""
        if self._socket is not None:
            return
        try:
            self._socket = socket.create_connection((self._host, self._port), self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Write holding registers in one request (function 16): the controller sees all of them or none."""
        request = self._protocol.WriteMultipleRegistersRequest(address=address, registers=list(values))
        self._ask(request)

    def read_registers(self, address: int, count: int) -> list[int]:
        """Read holding registers (function 3)."""
        answer = self._ask(self._protocol.ReadHoldingRegistersRequest(address=address, count=count))
        if len(answer.registers) != count:
            raise self._broken(f"{len(answer.registers)} registers instead of {count}")
        return list(answer.registers)

    def write_coil(self, address: int, on: bool) -> None:
        """Write one coil (function 5)."""
        self._ask(self._protocol.WriteSingleCoilRequest(address=address, bits=[on]))

    def _ask(self, request: ModbusPDU) -> ModbusPDU:
        """Send one request and return its answer, within the time."""
        self.connect()
        until_s = time.monotonic() + self._timeout_s
        self._transaction = self._transaction % 0xFFFF + 1
        request.transaction_id, request.dev_id = self._transaction, self._device_id
        framer = self._protocol.FramerSocket(self._protocol.DecodePDU(False))
        try:
            self._send(framer.buildFrame(request), until_s)
            answer = self._receive(framer, until_s)
        except (OSError, self._protocol.ModbusException) as error:
            self.close()
            raise self._fault(error) from error
        if answer.isError():
            raise self._broken(f"exception {answer.exception_code} to function {request.function_code}")
        return answer

    def _send(self, frame: bytes, until_s: float) -> None:
        link = self._link()
        link.settimeout(max(0.001, until_s - time.monotonic()))
        link.sendall(frame)

    def _receive(self, framer: Any, until_s: float) -> ModbusPDU:
        heard = b""
        while True:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            link = self._link()
            link.settimeout(left_s)
            said = link.recv(512)
            if not said:
                raise ConnectionResetError("connection closed")
            heard += said
            used, answer = framer.handleFrame(heard, self._device_id, self._transaction)
            heard = heard[used:]
            if answer is not None:
                whole: ModbusPDU = answer
                return whole

    def _link(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionResetError("connection closed")
        return self._socket

    def _broken(self, words: str) -> PeerFault:
        self.close()
        return PeerFault(f"{self}: answered {words}")

    def _fault(self, error: Exception) -> PeerFault:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return PeerFault(f"{self}: {words}")


def _library() -> Any:
    """Return what is used of the library, as one namespace."""
    from types import SimpleNamespace

    try:
        from pymodbus.exceptions import ModbusException
        from pymodbus.framer import FramerSocket
        from pymodbus.pdu import DecodePDU
        from pymodbus.pdu.bit_message import WriteSingleCoilRequest
        from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteMultipleRegistersRequest
    except ModuleNotFoundError as error:
        raise RuntimeUnavailable("Modbus needs pymodbus; install open-inspector[industrial]") from error
    return SimpleNamespace(
        ModbusException=ModbusException,
        FramerSocket=FramerSocket,
        DecodePDU=DecodePDU,
        WriteSingleCoilRequest=WriteSingleCoilRequest,
        ReadHoldingRegistersRequest=ReadHoldingRegistersRequest,
        WriteMultipleRegistersRequest=WriteMultipleRegistersRequest,
    )
