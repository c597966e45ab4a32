"""Triggers from an MQTT topic: each message is a part, with what it says of it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import aiomqtt
from pydantic import Field

from inspector.documents import read_bytes
from inspector.errors import ConfigError, TriggerLost, TriggerRefused
from station.triggers.announcement import read_announcement
from station.triggers.base import SourceState, Tell, TriggerSettings
from station.triggers.link import Link, Up, serve_async


class MqttSettings(TriggerSettings):
    """`kind = "mqtt"`."""

    host: str = Field(min_length=1, description="address of the broker")
    port: int = Field(default=1883, ge=1, le=65535, description="its port")
    topic: str = Field(min_length=1, max_length=1024, description="each message here is a part; retained ones are none")
    user: str | None = Field(default=None, description="name at the broker")
    password_file: Path | None = Field(default=None, description="file with the password at the broker")
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="a broker silent for so long is lost")


class MqttTrigger:
    """Subscribes with at-least-once delivery; with `count` in the message, what comes twice is one part."""

    Settings: ClassVar[type[MqttSettings]] = MqttSettings

    def __init__(self, settings: MqttSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        file = settings.password_file
        self._password = read_bytes(file, ConfigError).decode().strip() if file else None
        self._link = Link(f"mqtt {settings.host}:{settings.port}", tell, serve_async(self._listen))

    def __enter__(self) -> Self:
        self._link.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._link.__exit__(*exc)

    async def _listen(self, up: Up) -> None:
        settings = self._settings
        try:
            async with aiomqtt.Client(
                settings.host,
                settings.port,
                username=settings.user,
                password=self._password,
                timeout=settings.timeout_s,
                keepalive=max(2, int(settings.timeout_s)),
            ) as client:
                await client.subscribe(settings.topic, qos=1)
                up()
                async for message in client.messages:
                    self._take(message)
        except aiomqtt.MqttError as error:
            raise TriggerLost(str(error)) from error

    def _take(self, message: aiomqtt.Message) -> None:
        if message.retain:  # said before we came: that part has gone
            return
        payload = message.payload
        try:
            self._tell(read_announcement(payload if isinstance(payload, bytes) else str(payload or "").encode()))
        except TriggerRefused as error:
            self._tell(SourceState(False, f"mqtt {message.topic}: a message that is no trigger: {error}"))
