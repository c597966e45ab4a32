"""Work off the GUI thread: every question to the database, every picture that is read.

A question has a lane, a thread of its own that answers in order, and a topic. When a newer question of the same topic
was asked, the older one's answer is stale and dropped. Answers come back on the GUI thread, as values.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from inspector.errors import InspectorError

Answer = TypeVar("Answer")
LABELS, LIVE, PICTURES, PREVIEW, FIGURES = "labels", "live", "pictures", "preview", "figures"


class Ask(Protocol):
    """Called on the GUI thread; so are `then` and `failed`, later or at once."""

    def __call__(
        self,
        topic: str,
        question: Callable[[], Answer],
        then: Callable[[Answer], None],
        failed: Callable[[InspectorError], None],
    ) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    topic: str
    number: int
    then: Callable[[Any], None]
    failed: Callable[[InspectorError], None]


class Worker(QObject):
    """The threads of one window. `close` ends them, and waits for what they are at."""

    _answered = Signal(object, object)

    def __init__(
        self, parent: QObject | None = None, lanes: tuple[str, ...] = (LABELS, LIVE, PICTURES, PREVIEW, FIGURES)
    ) -> None:
        super().__init__(parent)
        self._lanes = {lane: ThreadPoolExecutor(1, f"desktop {lane}") for lane in lanes}
        self._newest: dict[str, int] = {}
        self._closed = False
        self.pending = 0
        """Questions whose answers have not come back yet."""
        self._answered.connect(self._hand_back, Qt.ConnectionType.QueuedConnection)

    def lane(self, name: str) -> Ask:
        """Return what asks on that lane."""
        pool = self._lanes[name]

        def ask(
            topic: str,
            question: Callable[[], Answer],
            then: Callable[[Answer], None],
            failed: Callable[[InspectorError], None],
        ) -> None:
            if self._closed:
                return
            number = self._newest[topic] = self._newest.get(topic, 0) + 1
            asked = _Asked(topic, number, then, failed)
            self.pending += 1
            pool.submit(question).add_done_callback(lambda future: self._answered.emit(asked, future))

        return ask

    def close(self) -> None:
        self._closed = True
        for pool in self._lanes.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _hand_back(self, asked: _Asked, future: Future[Any]) -> None:
        self.pending -= 1
        if self._closed or future.cancelled() or self._newest.get(asked.topic) != asked.number:
            return
        error = future.exception()
        if error is None:
            asked.then(future.result())
        elif isinstance(error, InspectorError):
            asked.failed(error)
        elif not isinstance(error, CancelledError):
            raise error  # to the hook of the application, which shows and logs it
