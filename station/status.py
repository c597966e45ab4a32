"""What the station is doing, counted: read by the screen, written by the line loop."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from inspector.values import Outcome, Verdict
from station.counts import Counting, Counts
from station.outputs.base import OutputState

_LATENCIES_KEPT = 2048
_VERDICTS_KEPT = 8
_RATE_WINDOW_S = 5.0


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """One line of the screen's list."""

    trigger: int
    source: str
    verdict: Verdict
    latency_ms: float


@dataclass(frozen=True, slots=True)
class VisionState:
    """How a vision process does: "starting" (and what is built for it), "well", or why it was replaced."""

    words: str = "starting"
    restarted_ns: int | None = None
    """time.monotonic_ns() at its last restart."""


@dataclass(frozen=True, slots=True)
class ServingNow:
    """What serves, and what is certified of it."""

    run_id: UUID
    recipe: str
    bundle_id: str
    certificate: str
    certified: bool


@dataclass(frozen=True, slots=True)
class StationStatus:
    """A snapshot. Latencies are trigger to verdict, None before the first."""

    station: str
    state: str
    since_s: float
    triggers: int
    outcomes: dict[Outcome, int]
    rate_hz: float
    p50_ms: float | None
    p99_ms: float | None
    restarts: int
    camera: str
    ledger: str
    plant: str
    """Whether rows get to the plant's database: "none" where there is none, "well", or what is wrong."""
    unforwarded: int | None
    """Rows that are not known to be in the plant; None before the first report, or without a plant."""
    drift: str
    """What the drift watch says, in a few words."""
    challenges: int
    """Parts of known truth among the triggers; they are in no outcome's count and in no latency."""
    challenge: str
    """How the line stands with them, in a few words: "none" where none are wanted."""
    held: str | None
    """Why every part is diverted: a challenge part, a golden self-test or a person; None where the line is not held."""
    last: tuple[LastVerdict, ...]
    outputs: tuple[OutputState, ...] = ()
    """Every output that says how it does, in the order of the first word from each."""
    cameras: Mapping[str, str] = field(default_factory=dict)
    """By name: "opening", "well", or what is wrong."""
    visions: Mapping[str, VisionState] = field(default_factory=dict)
    """By camera group."""
    trigger: str = "well"
    counts: Counts = field(default_factory=Counts)
    beat_ns: int = 0
    """time.monotonic_ns() when the line loop last went round; 0 before it runs."""
    serving: ServingNow | None = None

    @property
    def accounted(self) -> int:
        """Parts with an outcome; equal to `triggers` whenever none is in flight."""
        return sum(self.outcomes.values()) + self.challenges

    @property
    def has_drifted(self) -> bool:
        """An alarm of the drift watch holds."""
        return "since part" in self.drift


class Tally:
    """Counts for one run. Only the line loop writes, `note_output` aside; any thread may call `snapshot`."""

    def __init__(self, station: str) -> None:
        self._station = station
        self._started_s = time.monotonic()
        self._outcomes: Counter[Outcome] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._moments_s: deque[float] = deque(maxlen=10_000)
        self._last: deque[LastVerdict] = deque(maxlen=_VERDICTS_KEPT)
        self.triggers = 0
        self.restarts = 0
        self.state = "starting"
        self.camera = "opening"
        self.ledger = "well"
        self.plant = "none"
        self.unforwarded: int | None = None
        self.drift = "not known"
        self.challenge = "none"
        self.held: str | None = None
        self._challenges = 0
        self.cameras: Mapping[str, str] = {}
        self.trigger = "well"
        self.beat_ns = 0
        self.serving: ServingNow | None = None
        self._visions: dict[str, VisionState] = {}
        self._counting = Counting()
        self._outputs: dict[str, OutputState] = {}

    def add(self, verdict: LastVerdict, of_production: bool = True) -> None:
        self._moments_s.append(time.monotonic())
        self._last.append(verdict)
        if not of_production:
            self._challenges += 1
            return
        self._outcomes[verdict.verdict.outcome] += 1
        self._latencies_ms.append(verdict.latency_ms)
        self._counting.add(verdict.verdict, verdict.latency_ms)

    def note_vision(self, group: str, words: str, *, restarted: bool = False) -> None:
        """Keep how a vision process does, and when it was last replaced."""
        before = self._visions.get(group, VisionState())
        self._visions[group] = VisionState(words, time.monotonic_ns() if restarted else before.restarted_ns)

    def note_output(self, state: OutputState) -> bool:
        """Keep what an output says of itself; True where it has become well or ill. One thread speaks for an output."""
        before = self._outputs.get(state.output)
        self._outputs[state.output] = state
        return not state.well if before is None else before.well != state.well

    def snapshot(self) -> StationStatus:
        latencies = sorted(self._latencies_ms.copy())
        return StationStatus(
            station=self._station,
            state=self.state,
            since_s=time.monotonic() - self._started_s,
            triggers=self.triggers,
            outcomes={outcome: self._outcomes[outcome] for outcome in Outcome},
            rate_hz=self._rate_hz(),
            p50_ms=percentile(latencies, 0.50),
            p99_ms=percentile(latencies, 0.99),
            restarts=self.restarts,
            camera=self.camera,
            ledger=self.ledger,
            plant=self.plant,
            unforwarded=self.unforwarded,
            drift=self.drift,
            challenges=self._challenges,
            challenge=self.challenge,
            held=self.held,
            last=tuple(self._last.copy()),
            outputs=tuple(self._outputs.copy().values()),
            cameras=self.cameras,
            visions=self._visions.copy(),
            trigger=self.trigger,
            counts=self._counting.counts(),
            beat_ns=self.beat_ns,
            serving=self.serving,
        )

    def _rate_hz(self) -> float:
        now_s = time.monotonic()
        recent = sum(1 for moment in self._moments_s.copy() if moment > now_s - _RATE_WINDOW_S)
        return recent / min(_RATE_WINDOW_S, max(now_s - self._started_s, 0.1))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of sorted values; None of none."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
