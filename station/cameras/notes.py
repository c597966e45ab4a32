"""What is worth recording about a camera beside its frames: how it was set when it was opened, and what it repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from inspector.errors import StorageFault
from inspector.recipe import Recipe
from station.cameras.base import Camera, CameraSettings, Described
from station.cameras.features import Difference, Value, compare, store_snapshot
from station.messages import CameraNote

_STALE_EVERY_S = 10.0
_TOLERANCE = 0.02
"""Of numbers that a recipe wants: a device rounds to the steps that it can make."""


class CameraNotes:
    """Told by the acquire thread; announces each note for the ledger."""

    def __init__(
        self, settings: CameraSettings, recipe: Recipe, folder: Path, announce: Callable[[CameraNote], None]
    ) -> None:
        self._name = settings.name
        self._wanted = recipe.cameras.get(settings.name, {})
        self._folder = folder
        self._announce = announce
        self._stale = 0
        self._stale_told_s: float | None = None

    def opened(self, camera: Camera) -> None:
        """Store the features of a camera that was just opened, and name what is not as it was wanted."""
        if not isinstance(camera, Described):
            if self._wanted:
                self._warn("the recipe wants features of it, and it tells none")
            return
        features = camera.features()
        try:
            stored = str(store_snapshot(self._folder, self._name, features))
        except StorageFault as error:
            stored = f"not stored: {error}"
        self._announce(CameraNote(self._name, "camera opened", f"{self._called}: {len(features)} features, {stored}"))
        self._tell("the configuration", camera.differences())
        self._tell("the recipe", compare(self._wanted, features, _TOLERANCE))

    def stale(self, why: str, now_s: float) -> None:
        """Count a frame that is no part; told at once, and then at most every ten seconds, with the count."""
        self._stale += 1
        if self._stale_told_s is not None and now_s - self._stale_told_s < _STALE_EVERY_S:
            return
        self._stale_told_s = now_s
        self._announce(CameraNote(self._name, "frame stale", f"{why} ({self._stale} since the start)", warning=True))

    @property
    def _called(self) -> str:
        return f"camera {self._name!r}"

    def _tell(self, whose: str, differences: Iterable[Difference]) -> None:
        if told := "; ".join(difference.text() for difference in differences):
            self._warn(f"is not set as {whose} wants: {told}")

    def _warn(self, words: str) -> None:
        self._announce(CameraNote(self._name, "camera differs", f"{self._called} {words}", warning=True))


def unmet(wanted: Mapping[str, Value], camera: Camera) -> tuple[str, ...]:
    """Return in words what an open camera does not have of its block's settings and of what a recipe wants."""
    if not isinstance(camera, Described):
        return ()
    found = (*camera.differences(), *compare(wanted, camera.features(), _TOLERANCE))
    return tuple(difference.text() for difference in found)
