"""The bundles of a vision process: one serves, one may stand by for a rollback, one may be loading, one in the shadow.

A bundle is loaded and proved on a thread of its own, beside the one that serves, so a part waits for nothing but the
switch. A frame is prepared and judged by the bundle that served when it was exposed, or that the line named with its
trigger, whatever serves by then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from inspector.bundle import load_bundle
from inspector.certificate import is_certified, require_certified
from inspector.drift import DriftWatch, WatchKey
from inspector.errors import StationError, UserError
from inspector.inspection import Inspector, PreparedView
from inspector.recipe import Recipe
from inspector.values import Frame, PartResult
from station.auditing import AuditPlan, audit_plan
from station.config import StationConfig
from station.messages import Declined, FromVision, Load, Loaded
from station.scheduling import this_thread_ordinary, threads, threads_first
from station.trust import require_trusted
from station.watch import LineWatch, memory_path

Send = Callable[[FromVision], None]


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """A bundle under a recipe, loaded and proved. An Inspector is one thread's at a time: the lock says whose."""

    number: int
    path: Path
    recipe: Recipe
    inspector: Inspector
    plan: AuditPlan | None
    certified: bool
    threads: frozenset[int] = frozenset()
    """Those that its runtime started."""
    watches: dict[str, LineWatch] = field(default_factory=dict)
    """By camera; the inspecting thread makes them when it first serves, and they go on when it serves again."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, views: list[PreparedView]) -> PartResult:
        with self.lock:
            return self.inspector.judge(views)

    def self_test(self) -> int:
        """Inspect the golden samples one by one, so that a part waits for one at most; raise BundleError."""
        samples = self.inspector.golden_samples()
        for sample in samples:
            with self.lock:
                self.inspector.prove(sample)
        return len(samples)


@dataclass(frozen=True, slots=True, eq=False)
class HeldView:
    """A frame made ready by a bundle, and that bundle, which will judge it."""

    view: PreparedView
    serving: Serving

    def assess(self) -> None:
        """Find the frame's quality, unless the inspecting thread has."""
        self.view.assessment.quality()


def ready_serving(number: int, path: Path, recipe: Recipe, config: StationConfig) -> Serving:
    """Load a bundle and prove it; raise UserError or StationError where it is not fit to serve."""
    bundle = load_bundle(path)
    require_trusted(bundle, config)
    inspector = Inspector(bundle, recipe, post=config.post)
    plan = audit_plan(config, inspector.policy)
    inspector.self_test()
    if inspector.recipe.require_certificate:
        require_certified(inspector.bundle, inspector.recipe)
    inspector.warm_up()
    return Serving(number, path, recipe, inspector, plan, is_certified(inspector.bundle, inspector.recipe))


class Servings:
    """What a vision process holds, by the line's numbers. The inspecting thread serves, loads and drops."""

    def __init__(self, config: StationConfig, cameras: tuple[str, ...], first: Serving, send: Send) -> None:
        self._config, self._cameras, self._send = config, cameras, send
        self._lock = threading.Lock()
        self._wanted = {first.number}
        self._held = {first.number: first}
        self._first_watch(first)
        self.current = first

    def prepare(self, frame: Frame, number: int) -> HeldView | None:
        """Make a frame's pictures; None where the bundle that it is for is held no more. Any thread may call this."""
        serving = self._held.get(number)
        return None if serving is None else HeldView(serving.inspector.prepare_pictures(frame), serving)

    def find(self, number: int) -> Serving | None:
        return self._held.get(number)

    def load(self, order: Load) -> None:
        """Have a bundle loaded; the line hears Loaded or Declined."""
        with self._lock:
            self._wanted.add(order.number)
        threading.Thread(target=self._load, args=(order,), name="load", daemon=True).start()

    def drop(self, number: int) -> None:
        with self._lock:
            self._wanted.discard(number)
            self._held.pop(number, None)

    def serve(self, number: int) -> None:
        """Let a bundle serve that is held; drift is watched from now on as its own memory tells."""
        serving = self._held.get(number)
        if serving is None or serving is self.current:
            return
        self.save()
        if self._config.station.realtime:
            threads_first(serving.threads)
        if serving.watches:
            self._watch_again(serving)
        else:
            self._first_watch(serving)
        self.current = serving

    def save(self) -> None:
        """Write what the watches have seen."""
        for watch in self.current.watches.values():
            watch.save()

    # ---- the loading thread

    def _load(self, order: Load) -> None:
        this_thread_ordinary()
        try:
            serving = self._ready(order)
        except (UserError, StationError) as error:
            self._send(Declined(order.number, str(error)))
            return
        with self._lock:
            if order.number in self._wanted:
                self._held[order.number] = serving
        golden_samples = len(serving.inspector.golden_samples())
        self._send(Loaded(order.number, serving.inspector.describe(), golden_samples))

    def _ready(self, order: Load) -> Serving:
        """Test again what is held already, which is quick; load anything else."""
        for held in list(self._held.values()):
            if held.path == order.bundle and held.recipe == order.recipe:
                load_bundle(order.bundle)
                held.self_test()
                return replace(held, number=order.number)
        before = threads()
        serving = ready_serving(order.number, order.bundle, order.recipe, self._config)
        # Made once now: what a new watch computes at its first making takes too long between two parts.
        DriftWatch(order.recipe.drift, self._key(serving, ""))
        return replace(serving, threads=threads() - before)

    # ---- drift

    def _first_watch(self, serving: Serving) -> None:
        for camera in self._cameras:
            file = memory_path(self._config.station.folder, camera)
            key = self._key(serving, camera)
            serving.watches[camera] = LineWatch(serving.recipe, key, file, self._send, certified=serving.certified)

    def _watch_again(self, serving: Serving) -> None:
        for watch in serving.watches.values():
            watch.resume()

    def _key(self, serving: Serving, camera: str) -> WatchKey:
        return WatchKey(bundle=serving.inspector.bundle.id, recipe=serving.recipe.revision(), camera=camera)
