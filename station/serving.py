"""The bundles of a vision process: one serves, one may stand by for a rollback, one may be loading, one in the shadow.

A bundle is loaded and proved on a thread of its own, beside the one that serves, so a part waits for nothing but the
switch; what its runtime needs, an engine, is built before that, however long it takes. At the start another proved
runtime stands in for so long. A frame is prepared and judged by the bundle that served when it was exposed, or that the
line named with its trigger, whatever serves by then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from inspector.ahead import build_ahead, stand_in, unbuilt
from inspector.bundle import Bundle, load_bundle
from inspector.certificate import is_certified, require_certified
from inspector.drift import DriftWatch, WatchKey
from inspector.errors import StationError, UserError
from inspector.inspection import Inspector, PreparedView
from inspector.recipe import Recipe
from inspector.runtimes import Tell
from inspector.values import Frame, PartResult
from station.auditing import AuditPlan, audit_plan
from station.config import StationConfig
from station.messages import Building, Built, Declined, FromVision, Load, Loaded, RuntimeFailed
from station.pipe import LineGone
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
    stands_in: bool = False
    """It runs on another runtime than the recipe wants, until that one is built."""
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


def ready_serving(number: int, path: Path, recipe: Recipe, config: StationConfig, tell: Tell) -> Serving:
    """Build what its runtime needs, load a bundle and prove it; raise UserError or StationError where it is not fit.

    `tell` hears how far a build is.
    """
    bundle = load_bundle(path)
    require_trusted(bundle, config)
    build_ahead(bundle, recipe, config.post, tell)
    return _proved(number, path, recipe, bundle, recipe, config)


def first_serving(number: int, config: StationConfig, tell: Tell) -> Serving:
    """Return what a station begins with; another proved runtime stands in where the recipe's has yet to be built."""
    path, recipe = config.station.bundle, config.recipe
    bundle = load_bundle(path)
    require_trusted(bundle, config)
    meanwhile = _meanwhile(bundle, config)
    if meanwhile is None:
        return ready_serving(number, path, recipe, config, tell)
    return replace(_proved(number, path, recipe, bundle, meanwhile, config), stands_in=True)


def _meanwhile(bundle: Bundle, config: StationConfig) -> Recipe | None:
    """Return the recipe to serve with during a build; None where nothing is to be built, or nothing else may serve."""
    recipe = config.recipe
    if not unbuilt(bundle, recipe, config.post):
        return None
    found = stand_in(bundle, recipe, config.post)
    uncertified = found is not None and recipe.require_certificate and not is_certified(bundle, found)
    return None if uncertified else found


def _proved(number: int, path: Path, recipe: Recipe, bundle: Bundle, run_as: Recipe, config: StationConfig) -> Serving:
    """Load a bundle on the runtime that `run_as` names, to serve as what `recipe` orders."""
    inspector = Inspector(bundle, run_as, post=config.post)
    plan = audit_plan(config, inspector.policy)
    inspector.self_test()
    if inspector.recipe.require_certificate:
        require_certified(inspector.bundle, inspector.recipe)
    inspector.warm_up()
    return Serving(number, path, recipe, inspector, plan, is_certified(inspector.bundle, inspector.recipe))


def tell_building(send: Send, number: int, words: str) -> None:
    """Tell the line how far a build is; when it is gone, the main thread notices it and ends."""
    with contextlib.suppress(LineGone):
        send(Building(number, words))


class Servings:
    """What a vision process holds, by the line's numbers. The inspecting thread serves, loads and drops."""

    def __init__(self, config: StationConfig, cameras: tuple[str, ...], first: Serving, send: Send) -> None:
        self._config, self._cameras, self._send = config, cameras, send
        self._lock = threading.Lock()
        self._wanted = {first.number}
        self._held = {first.number: first}
        self._built: Serving | None = None
        self._first_watch(first)
        self.current = first
        if first.stands_in:
            threading.Thread(target=self._build, args=(first,), name="build", daemon=True).start()

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

    def take_over(self) -> None:
        """Let the runtime that the recipe wants take over from the one that stood in, once it is built."""
        built, self._built = self._built, None
        if built is None or built.number not in self._held:
            return
        stood_in, self._held[built.number] = self._held[built.number], built
        if self._config.station.realtime:
            threads_first(built.threads)
        if self.current is stood_in:
            self.current = built
        names = (each.inspector.describe()["runtime"] for each in (built, stood_in))
        self._send(Built("{} is built and takes over from {}".format(*names)))

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
            if held.path == order.bundle and held.recipe == order.recipe and not held.stands_in:
                load_bundle(order.bundle)
                held.self_test()
                return replace(held, number=order.number)
        serving = self._loaded(order.number, order.bundle, order.recipe)
        # Made once now: what a new watch computes at its first making takes too long between two parts.
        DriftWatch(order.recipe.drift, self._key(serving, ""))
        return serving

    def _loaded(self, number: int, path: Path, recipe: Recipe) -> Serving:
        before = threads()
        serving = ready_serving(number, path, recipe, self._config, partial(tell_building, self._send, number))
        return replace(serving, threads=threads() - before)

    def _build(self, stood_in: Serving) -> None:
        """Make what the recipe wants ready while another runtime stands in for it; where that fails, it goes on."""
        this_thread_ordinary()
        try:
            serving = self._loaded(stood_in.number, stood_in.path, stood_in.recipe)
        except (UserError, StationError) as error:
            goes_on = stood_in.inspector.describe()["runtime"]
            self._send(RuntimeFailed(f"the recipe's runtime is not ready: {error}; {goes_on} goes on"))
            return
        self._built = replace(serving, watches=stood_in.watches)

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
