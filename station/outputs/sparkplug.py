"""The station as a Sparkplug B edge node: born and dying as the specification asks, each part a message of a device.

Topics: spBv1.0/GROUP/NBIRTH|NDEATH|NCMD/NODE and spBv1.0/GROUP/DBIRTH|DDATA/NODE/DEVICE. The specification publishes
data at quality of service 0, which nobody acknowledges; so each batch is followed by a receipt at quality of service 1
on a topic of our own, and the batch counts as told when that is acknowledged: a broker works through a connection in
order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

from pydantic import Field, field_validator

from db.records import Report
from inspector.errors import PeerFault
from station.outputs.base import About, LineState, require_library
from station.outputs.mqtt import BrokerSettings, topic_level
from station.outputs.mqtt_session import MqttSession, Will
from station.outputs.sparkplug_payload import BOOLEAN, DOUBLE, INT64, STRING, UINT64, Metric, Value, decode, encode

REBIRTH = "Node Control/Rebirth"
BIRTH_COUNT = "bdSeq"
_COUNTS = 256


class SparkplugSettings(BrokerSettings):
    """`kind = "sparkplug"`."""

    group: str = Field(default="open-inspector", min_length=1, description="group id")
    node: str | None = Field(default=None, min_length=1, description="edge node id; unset: the station's name")
    device: str = Field(default="inspection", min_length=1, description="device id whose metrics the parts are")

    @field_validator("group", "node", "device")
    @classmethod
    def _plain(cls, words: str | None) -> str | None:
        if words is not None and set(words) & set("/+#\0"):
            raise ValueError("expected no /, no + and no #: it is one level of a topic")
        return words


class SparkplugTeller:
    """`seq` counts every message of a life, `bdSeq` the lives; both begin again behind 255."""

    Settings: ClassVar[type[SparkplugSettings]] = SparkplugSettings

    def __init__(self, settings: SparkplugSettings, about: About, now_s: Callable[[], float] = time.time) -> None:
        require_library("google.protobuf", settings.kind)
        self._settings, self._about, self._now_s = settings, about, now_s
        self._node = settings.node or topic_level(about.station)
        self._seq = 0
        self._lives = int(now_s()) % _COUNTS  # a restart begins elsewhere: nobody writes the last one down
        self._born_ms = 0
        self._rebirth = threading.Event()
        self._line, self._said = LineState(), LineState()
        self._session = MqttSession(
            settings.broker(f"inspector-{about.station}-{settings.called}"),
            self._will,
            self._be_born,
            topics=(self._topic("NCMD"),),
            hear=self._hear,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self._session.is_up:  # a good-bye clears the last will, so the death is told by hand
                self._session.publish(self._topic("NDEATH"), self._death(), 1)
        except PeerFault:
            pass
        finally:
            self._session.close()

    def attend(self, line: LineState) -> None:
        self._line = line
        self._session.connect()
        if self._rebirth.is_set():
            self._be_born()
        elif line != self._said:
            self._said = line
            self._publish("NDATA", self._state_metrics(self._now_ms()))

    def tell(self, reports: Sequence[Report]) -> None:
        for report in reports:
            self._publish("DDATA", self.part_metrics(report), device=True)
        self._session.publish(f"open-inspector/receipt/{self._settings.group}/{self._node}", b"", 1)

    def part_metrics(self, report: Report) -> list[Metric]:
        """Return the metrics of a part; what was before the birth is historical."""
        record = report.record
        at_ms = int((record.completed_at or record.triggered_at).timestamp() * 1e3)
        values: tuple[Value, ...] = (
            str(record.part_id),
            report.position,
            record.trigger,
            record.outcome,
            "; ".join(record.reasons),
            record.label,
            record.defect_probability,
            record.latency_ms,
            record.recipe,
            report.simulated,
        )
        return [
            Metric(name, kind, value, at_ms, historical=at_ms < self._born_ms)
            for (name, kind), value in zip(_PART, values, strict=True)
        ]

    def _be_born(self) -> None:
        """Tell all names and types, as at each connection and whenever a host asks for it."""
        self._rebirth.clear()
        self._seq, self._born_ms, self._said = 0, self._now_ms(), self._line
        node = [
            Metric(BIRTH_COUNT, INT64, self._lives, self._born_ms),
            Metric(REBIRTH, BOOLEAN, False, self._born_ms),
            Metric("Station/Name", STRING, self._about.station, self._born_ms),
            Metric("Station/Bundle", STRING, self._about.bundle_id, self._born_ms),
            *self._state_metrics(self._born_ms),
        ]
        self._publish("NBIRTH", node)
        self._publish("DBIRTH", [Metric(name, kind, None, self._born_ms) for name, kind in _PART], device=True)

    def _state_metrics(self, at_ms: int) -> list[Metric]:
        return [
            Metric("Station/State", STRING, self._line.state, at_ms),
            Metric("Station/Fault", STRING, self._line.fault, at_ms),
        ]

    def _publish(self, kind: str, metrics: Sequence[Metric], *, device: bool = False) -> None:
        self._session.publish(self._topic(kind, device=device), encode(metrics, self._now_ms(), self._seq), 0)
        self._seq = (self._seq + 1) % _COUNTS

    def _will(self) -> Will:
        """The death of the connection that is about to be made: it has the number of its birth."""
        self._lives = (self._lives + 1) % _COUNTS
        return Will(self._topic("NDEATH"), self._death(), qos=1, retain=False)

    def _death(self) -> bytes:
        return encode([Metric(BIRTH_COUNT, INT64, self._lives, self._now_ms())], self._now_ms(), None)

    def _hear(self, _topic: str, payload: bytes) -> None:
        """A command: the only one is to be born again. Runs on the library's thread."""
        try:
            metrics, _, _ = decode(payload)
        except PeerFault:
            return
        if any(metric.name == REBIRTH and metric.value for metric in metrics):
            self._rebirth.set()

    def _topic(self, kind: str, *, device: bool = False) -> str:
        topic = f"spBv1.0/{self._settings.group}/{kind}/{self._node}"
        return f"{topic}/{self._settings.device}" if device else topic

    def _now_ms(self) -> int:
        return int(self._now_s() * 1e3)


_PART = (
    ("Part/Id", STRING),
    ("Part/Position", UINT64),
    ("Part/Trigger", UINT64),
    ("Part/Outcome", STRING),
    ("Part/Reasons", STRING),
    ("Part/Label", STRING),
    ("Part/Defect Probability", DOUBLE),
    ("Part/Latency ms", DOUBLE),
    ("Part/Recipe", STRING),
    ("Part/Simulated", BOOLEAN),
)
