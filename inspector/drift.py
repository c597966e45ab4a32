"""The drift watch: is the line still what the certificate was made for? Per recipe and camera, part by part.

What is usual is learnt on the line, from its first parts: a bundle cannot know the line's mixture of parts, its lamp or
where its camera looks. What the bundle does know, how unlike its training set parts may be, is asked of the parts
learnt: a line that is wrong from the start must not teach that this is usual.

While nothing changes, an alarm within T parts has a probability of at most T / `false_alarm_parts`, all charts of a
camera together. The cause that an alarm names is what such a change mostly comes from: a hint and no proof.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from pydantic import Field

from inspector import charts, drift_learning
from inspector.documents import Document
from inspector.drift_alarms import FIGURES, RATES, Alarm, alarm, figure_alarm, rate_alarm
from inspector.drift_charts import FigureChart, FigureState, RateChart, RateState
from inspector.imaging import Imaging, Profiles, Register
from inspector.risk import binomial_cdf
from inspector.values import Outcome, PartResult, ViewInspection

STRANGE_NOVELTY = 0.95
"""One held part in twenty was as unlike the training set as this."""
STRANGE_SHARE = 0.10
"""Twice that share of the parts learnt, beyond doubt, is a line that the bundle was not made for."""
_SURE = 0.9999
_LEAST_PROBABILITY = 1e-12
_DECIMALS = 5


class DriftSettings(Document):
    """What a recipe says of the drift watch."""

    enabled: bool = Field(default=True, description="watch this recipe's parts")
    learn_parts: int = Field(
        default=2000, ge=100, le=5000, description="parts that teach what is usual; more make it see smaller changes"
    )
    false_alarm_parts: float = Field(
        default=2e6, ge=1e4, le=1e9, description="while nothing changes, at most one alarm is expected in so many parts"
    )
    subgroup: int = Field(default=200, ge=20, le=5000, description="parts in one point of the review and reject charts")
    safe_mode: bool = Field(default=False, description="after a drift alarm, what would pass goes to review")


class WatchKey(Document):
    """What a watch's memory is of: with another bundle, recipe or camera it means nothing."""

    bundle: str = Field(description="its id")
    recipe: str = Field(description="its revision")
    camera: str = Field(description="its name")


class WatchState(Document):
    """What a restart of the station must not forget."""

    format: Literal[1] = 1
    key: WatchKey
    parts: int = Field(default=0, ge=0, description="seen")
    figures: dict[str, FigureState] = Field(default_factory=dict, description="by name, of FIGURES")
    rates: dict[str, RateState] = Field(default_factory=dict, description="by name, of RATES")
    profiles: Profiles = Field(default=((), ()), description="sums of edge profiles along x and y")
    profiled: int = Field(default=0, ge=0, description="parts in these sums")
    strange: int = Field(default=0, ge=0, description="parts learnt that were unlike the training set")
    alarms: tuple[Alarm, ...] = Field(default=(), description="those that still hold, in their order")


class WatchPoint(Document):
    """One point of every chart, for those who look at them later."""

    camera: str = Field(description="its name")
    part: int = Field(ge=0, description="parts seen")
    levels: dict[str, float] = Field(description="moving average of each figure watched, and the last subgroup's rates")
    usual: dict[str, float] = Field(description="what each was while learning")
    evidence: dict[str, float] = Field(description="how far the evidence of a change has come, 1 at the alarm")
    learning: tuple[str, ...] = Field(default=(), description="figures that still learn")


class DriftWatch:
    """Not thread-safe: one per camera, fed by the inspecting thread. Never raises for what a part looks like."""

    def __init__(
        self, settings: DriftSettings, key: WatchKey, state: WatchState | None = None, *, certified: bool = True
    ) -> None:
        """Go on from `state` where it is of the same bundle, recipe and camera; else learn from the start.

        `certified` says whether there is a certificate that an alarm could void.
        """
        state = state if state is not None and state.key == key else WatchState(key=key)
        self._settings, self.key, self._certified = settings, key, certified
        limit = settings.false_alarm_parts * (len(FIGURES) + len(RATES))
        drift_learning.prepare(settings.learn_parts)
        charts.prepare(settings.subgroup)
        self._figures = {
            name: FigureChart(settings.learn_parts, limit, figure.may_be_constant, state.figures.get(name))
            for name, figure in FIGURES.items()
        }
        self._unsettled = [name for name, chart in self._figures.items() if not chart.settled]
        risk = settings.subgroup / limit
        self._rates = {name: RateChart(settings.subgroup, risk, state.rates.get(name)) for name in RATES}
        self._register = Register(state.profiles, state.profiled)
        self._strange, self._too_strange = state.strange, _least_strange(settings.learn_parts)
        self.parts = state.parts
        self.alarms: tuple[Alarm, ...] = state.alarms

    def see(self, view: ViewInspection, imaging: Imaging | None) -> tuple[Alarm, ...]:
        """Take a view as it was judged, before any safe mode; return what there is to say.

        Without `imaging`, colour, grain and position of this part are left out.
        """
        return self.update(figures_of(view, imaging, self._register), view.verdict.outcome)

    def update(self, values: Mapping[str, float | None], outcome: Outcome) -> tuple[Alarm, ...]:
        """Take a part's figures by name; one that is absent or None is left out.

        Figures that have learnt enough are made ready to watch one after the other, a piece of the work with each part;
        values that have to wait for that are then taken, a few with each.
        """
        self.parts = part = self.parts + 1
        safe_mode = self._settings.safe_mode
        said = []
        for name, chart in self._figures.items():
            value = values.get(name)
            if value is not None and (told := chart.note(value, part)) is not None:
                said.append(figure_alarm(name, told, part, safe_mode))
        for name, event in RATES.items():
            if (change := self._rates[name].take(outcome is event, part)) is not None:
                said.append(rate_alarm(name, change, part, safe_mode))
        said.extend(self._work_off(part))
        if part <= self._settings.learn_parts:
            said.extend(self._compare_with_bundle(values.get("novelty")))
        self.alarms += tuple(each for each in said if each.severity == "ALARM")
        return tuple(said)

    def _work_off(self, part: int) -> tuple[Alarm, ...]:
        """Let one chart that is behind work off a piece: rates first, then learnings to end, then values that wait."""
        if (rate := next((rate for rate in self._rates.values() if rate.behind), None)) is not None:
            rate.work_off()
            return ()
        behind = [name for name in self._unsettled if self._figures[name].behind]
        if not behind:
            return ()
        name = next((name for name in behind if self._figures[name].learnt_all), behind[0])
        told = self._figures[name].work_off(part)
        if self._figures[name].settled:
            self._unsettled.remove(name)
        return () if told is None else (figure_alarm(name, told, part, self._settings.safe_mode),)

    def _compare_with_bundle(self, novelty: float | None) -> tuple[Alarm, ...]:
        """While learning, count parts unlike the training set; at its end, alarm where they are too many."""
        self._strange += novelty is not None and novelty >= STRANGE_NOVELTY
        if self.parts < self._settings.learn_parts:
            return ()
        if self._strange < self._too_strange:
            return ()
        cause = (
            f"this line's parts are not those of the training set: {self._strange} of {self.parts} are as unlike it "
            f"as one held part in {1 / (1 - STRANGE_NOVELTY):.0f} was"
        )
        return (alarm("novelty", cause, self.parts, 0, self._settings.safe_mode),)

    @property
    def safe(self) -> bool:
        """Must what would pass go to review?"""
        return self._settings.safe_mode and bool(self.alarms)

    @property
    def void(self) -> str | None:
        """What the alarms that hold make of the certificate, in a few words; None while there is none."""
        if not self.alarms:
            return None
        drifted = ", ".join(dict.fromkeys(alarm.figure for alarm in self.alarms))
        since = f"since part {self.alarms[0].part}: {drifted}"
        return f"certificate void {since}" if self._certified else f"drift, and no certificate, {since}"

    def guard(self, part: PartResult) -> PartResult:
        """Return the part as the line is to treat it, and as it is recorded: in safe mode nothing passes.

        While an alarm holds, every verdict says that nothing is certified of it.
        """
        if (void := self.void) is None:
            return part
        outcome, reasons = part.verdict.outcome, part.verdict.reasons
        if self.safe and outcome is Outcome.PASS:
            first = self.alarms[0]
            outcome, reasons = Outcome.REVIEW, (f"safe mode: drift of {first.figure} since part {first.since_part}",)
        return replace(part, verdict=replace(part.verdict, outcome=outcome, reasons=(*reasons, void)))

    def point(self) -> WatchPoint:
        watching = {name: chart for name, chart in self._figures.items() if not chart.learning}
        rates = {name: rate.chart for name, rate in self._rates.items() if rate.chart is not None}
        levels = {name: chart.level for name, chart in watching.items()}
        levels |= {name: self._rates[name].rate for name in rates}
        usual = {name: chart.usual for name, chart in watching.items()}
        return WatchPoint(
            camera=self.key.camera,
            part=self.parts,
            levels=_rounded(levels),
            usual=_rounded(usual | {name: chart.centre for name, chart in rates.items()}),
            evidence=_rounded({name: chart.strength for name, chart in watching.items()}),
            learning=tuple(name for name in self._figures if name not in watching),
        )

    def state(self) -> WatchState:
        return WatchState(
            key=self.key,
            parts=self.parts,
            figures={name: chart.state() for name, chart in self._figures.items()},
            rates={name: chart.state() for name, chart in self._rates.items()},
            profiles=self._register.state(),
            profiled=self._register.parts,
            strange=self._strange,
            alarms=self.alarms,
        )


def figures_of(view: ViewInspection, imaging: Imaging | None, register: Register) -> dict[str, float | None]:
    """Return a view's figures by name; what no network or no reference tells is None."""
    quality, prediction = view.quality, view.prediction
    position = None if imaging is None else register.place(imaging)
    return {
        "score": None if prediction is None else log_odds(prediction.defect_probability),
        "novelty": None if prediction is None else prediction.novelty,
        "focus": quality.focus,
        "brightness": quality.brightness,
        "dark_share": quality.dark_share,
        "saturated_share": quality.saturated_share,
        "redness": None if imaging is None else imaging.redness,
        "blueness": None if imaging is None else imaging.blueness,
        "grain_x": None if imaging is None else imaging.grain.along_x,
        "grain_y": None if imaging is None else imaging.grain.along_y,
        "grain_aslant": None if imaging is None else imaging.grain.aslant,
        "shift_x_px": None if position is None else position[0],
        "shift_y_px": None if position is None else position[1],
    }


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p)), with p kept 1e-12 from both ends; NaN of NaN."""
    if not math.isfinite(probability):
        return probability
    kept = min(max(probability, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY)
    return math.log(kept / (1 - kept))


@lru_cache(maxsize=32)
def _least_strange(n: int) -> int:
    """Return how many of `n` parts are beyond doubt more than STRANGE_SHARE of all; n + 1 where even all are not."""
    return bisect_right(range(n + 1), _SURE, key=lambda count: binomial_cdf(count - 1, n, STRANGE_SHARE))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, _DECIMALS) for name, value in values.items()}
