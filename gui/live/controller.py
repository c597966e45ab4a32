"""The live view, without a screen: what is known of each station, from where, and since when it is stale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from db.records import utc_now
from gui.live.figures import StationFigures
from gui.live.stream import Heard
from gui.worker import Ask
from inspector.errors import InspectorError


class LiveDesk(Protocol):
    """The question of the live controller; on a worker's thread."""

    def figures(self) -> tuple[StationFigures, ...]: ...


class LiveController:
    """`poll` is called every second while the screen is in front. `changed` is called after every change."""

    def __init__(
        self, desk: LiveDesk, ask: Ask, changed: Callable[[], None], clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._desk, self._ask, self._changed, self._clock = desk, ask, changed, clock
        self._asking = False
        self._read_at: datetime | None = None
        self.stations: tuple[StationFigures, ...] = ()
        self.heard: dict[str, Heard] = {}
        """By station, what its own port tells."""
        self.chosen: str | None = None
        self.stale_since: datetime | None = None
        """When the database was last read, if it cannot be read now."""
        self.error = ""

    @property
    def station(self) -> StationFigures | None:
        return next((each for each in self.stations if each.station == self.chosen), None)

    @property
    def stream(self) -> Heard | None:
        return None if self.chosen is None else self.heard.get(self.chosen)

    def poll(self) -> None:
        """Ask again, unless the last question is not answered yet."""
        if not self._asking:
            self._asking = True
            self._ask("live", self._desk.figures, self._told, self._failed)

    def choose(self, station: str) -> None:
        self.chosen = station
        self._changed()

    def hear(self, heard: Heard) -> None:
        """A station's port told something, or fell silent."""
        if heard.station is not None:
            self.heard = {**self.heard, heard.station: heard}
            self._changed()

    def _told(self, stations: tuple[StationFigures, ...]) -> None:
        self._asking, self.error, self.stale_since = False, "", None
        self._read_at = self._clock()
        self.stations = stations
        if self.station is None:
            running = [each for each in stations if each.ended_at is None]
            newest = max(running or stations, key=lambda each: each.started_at, default=None)
            self.chosen = None if newest is None else newest.station
        self._changed()

    def _failed(self, error: InspectorError) -> None:
        """What was read last stays on the screen, marked as old."""
        self._asking = False
        self.error = str(error)
        self.stale_since = self.stale_since or self._read_at or self._clock()
        self._changed()
