"""Real peers to talk to: Debian's mosquitto, started, frozen and killed at will, and somebody who listens to it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_PATIENCE_S = 60.0


def mosquitto() -> str | None:
    """Return the broker's program; None on a machine without one (Debian: apt-get install mosquitto)."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """A broker on a loopback port; what clients with a session owe each other outlives it in `folder`."""

    def __init__(self, folder: Path, port: int, extra: str = "") -> None:
        self.port = port
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\nautosave_interval 1\n"
            f"autosave_on_changes true\npersistence_location {folder}/\nuser root\nlog_type none\n{extra}"
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self) -> None:
        program = mosquitto() or "mosquitto"
        self._process = subprocess.Popen(
            [program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("mosquitto did not start")

    def freeze(self) -> None:
        """Leave it half-open: its connections stand, and nobody reads them."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Listener:
    """Subscribes, and keeps (topic, payload, retained) of what comes; its session outlives broken connections."""

    def __init__(self, port: int, topic: str = "#", also: Callable[[bytes], None] | None = None) -> None:
        self._also = also
        self.heard: list[tuple[str, bytes, bool]] = []
        self.properties: list[Any] = []
        self._topic, self._subscribed = topic, threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, f"listener-{id(self)}", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 2)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        lasting: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=lasting)
        self._client.loop_start()

    def __enter__(self) -> Self:
        if not self._subscribed.wait(_PATIENCE_S):
            raise RuntimeError(f"no subscription to {self._topic}")
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def on(self, topic: str) -> list[bytes]:
        return [payload for heard, payload, _ in self.heard if heard == topic]

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, 1).wait_for_publish(_PATIENCE_S)

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.heard.append((message.topic, message.payload, message.retain))
        self.properties.append(message.properties)
        if self._also is not None:
            self._also(message.payload)
