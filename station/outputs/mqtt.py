"""Each part as JSON on an MQTT 5 topic, and the line's state on a retained one that the broker clears when we die."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from db.records import Report
from inspector.documents import read_bytes
from inspector.errors import ConfigError, PeerFault
from station.outputs.base import About, LineState, TellSettings, require_library
from station.outputs.document import part_document
from station.outputs.mqtt_session import Broker, MqttSession, Will

STATUS_SCHEMA = "open-inspector/status/1"


class BrokerSettings(TellSettings):
    """Where a broker is and how one gets in."""

    host: str = Field(min_length=1, description="the broker")
    port: int = Field(default=1883, ge=1, le=65535, description="its port; 8883 is usual with tls")
    username: str | None = Field(default=None, description="unset: no user name")
    password_file: Path | None = Field(default=None, description="file with the password; unset: none")
    tls: bool = Field(default=False, description="talk TLS")
    ca_file: Path | None = Field(default=None, description="certificates to trust; unset: those of the system")
    keepalive_s: int = Field(
        default=15,
        ge=1,
        le=3600,
        description="silent for 1.5 times as long, a station is offline to the broker",
    )

    def broker(self, client_id: str) -> Broker:
        """Return what a session needs; raise ConfigError for a file that cannot be read."""
        require_library("paho.mqtt", self.kind)
        if self.ca_file is not None:
            read_bytes(self.ca_file, ConfigError)
        password = read_bytes(self.password_file, ConfigError).strip().decode() if self.password_file else None
        return Broker(
            host=self.host,
            port=self.port,
            client_id=client_id,
            username=self.username,
            password=password,
            tls=self.tls,
            ca_file=self.ca_file,
            keepalive_s=self.keepalive_s,
            timeout_s=self.timeout_s,
        )


class MqttSettings(BrokerSettings):
    """`kind = "mqtt"`."""

    topic: str = Field(
        default="open-inspector", min_length=1, description="topics are TOPIC/STATION/part and .../status"
    )
    qos: Literal[1, 2] = Field(default=1, description="1: at least once; 2: exactly once while the session lives")

    @field_validator("topic")
    @classmethod
    def _plain(cls, topic: str) -> str:
        if set(topic) & set("+#\0") or topic.startswith("$"):
            raise ValueError("expected no +, no # and no $ at its beginning: they mean something else to a broker")
        return topic.strip("/")


class MqttTeller:
    """A part counts as told when the broker has acknowledged it at the quality of service that is asked for."""

    Settings: ClassVar[type[MqttSettings]] = MqttSettings

    def __init__(self, settings: MqttSettings, about: About) -> None:
        self._settings = settings
        root = f"{settings.topic}/{topic_level(about.station)}"
        self._part_topic, self._status_topic = f"{root}/part", f"{root}/status"
        self._about = about
        self._session = MqttSession(
            settings.broker(f"inspector-{about.station}-{settings.called}"), self._will, self._greet
        )
        self._line = LineState()
        self._said: LineState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._session.is_up:
            with suppress(PeerFault):
                self._session.publish(self._status_topic, self._status(LineState("offline")), 1, retain=True)
        self._session.close()

    def attend(self, line: LineState) -> None:
        self._line = line
        self._session.connect()
        if line != self._said:
            self._greet()

    def tell(self, reports: Sequence[Report]) -> None:
        self._session.publish_all(
            [(self._part_topic, part_document(report), str(report.record.part_id)) for report in reports],
            self._settings.qos,
        )

    def _greet(self) -> None:
        self._session.publish(self._status_topic, self._status(self._line), 1, retain=True)
        self._said = self._line

    def _will(self) -> Will:
        return Will(self._status_topic, self._status(LineState("offline")), qos=1, retain=True)

    def _status(self, line: LineState) -> bytes:
        about = self._about
        fields = {
            "schema": STATUS_SCHEMA,
            "station": about.station,
            "state": line.state,
            "fault": line.fault,
            "recipe": about.recipe,
            "bundle_id": about.bundle_id,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def topic_level(words: str) -> str:
    """Return words as one level of a topic: what means something to a broker becomes an underscore."""
    return "".join("_" if letter in "/+#\0" else letter for letter in words)
