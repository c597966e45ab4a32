"""Does every runtime of this machine say the same of the same parts, and how fast: evidence, and the choice it allows.

The reference of a precision is ONNX Runtime on the processor, which the bundle's calibration and golden samples were
made with. A runtime is proved when it finds every golden sample's outcome again, differs by less than the tolerance of
the self-test, and passes no part that the reference rejects.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from pydantic import Field

from inspector.bundle import MODEL_FILES, Bundle, Precision
from inspector.documents import Document
from inspector.errors import BundleError, InspectorError, RuntimeFault, RuntimeUnavailable
from inspector.inspection import GOLDEN_TOLERANCE, OTHER_LIBRARY_TOLERANCE, Inspector
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings, thread_count
from inspector.values import Frame, Outcome

Clock = Callable[[], float]
ROUND, ROUNDS = 3, 5
"""Inferences of one runtime before the next has its turn, and turns: what else the machine does hits all alike."""
LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx")


class Candidate(Document):
    """One way to run a bundle."""

    precision: Precision
    runtime: RuntimeSettings

    @property
    def name(self) -> str:
        threads = f" {self.runtime.threads} threads" if self.runtime.device == "cpu" else ""
        return f"{self.runtime.kind} {self.runtime.device}{threads} {self.runtime.arithmetic} {self.precision}"

    def computes_as(self, other: Candidate) -> bool:
        """Tell whether both compute the same numbers: threads and hints change the time alone."""
        mine, theirs = (
            (one.precision, one.runtime.kind, one.runtime.device, one.runtime.arithmetic) for one in (self, other)
        )
        return mine == theirs


class Evidence(Document):
    """What was found of one candidate; times are of one part's inference."""

    candidate: Candidate
    describes: dict[str, str] = Field(default_factory=dict)
    parts: int = Field(default=0, ge=0, description="parts compared, golden samples included")
    largest_difference: float = Field(default=0, ge=0, description="of a defect probability, to the reference")
    flips: int = Field(default=0, ge=0, description="outcomes that differ from the reference's")
    rejects_passed: int = Field(default=0, ge=0, description="rejects of the reference that it passes")
    golden_flips: int = Field(default=0, ge=0, description="golden samples with another outcome than recorded")
    load_s: float = Field(default=0, ge=0)
    p50_ms: float | None = Field(default=None, ge=0)
    p99_ms: float | None = Field(default=None, ge=0)
    refused: str | None = Field(default=None, description="why a station must not run it; unset: proved")


class RuntimeTable(Document):
    """All candidates of one machine, the proved ones first, the fastest of them on top."""

    bundle: str
    machine: dict[str, str]
    measured_at: datetime | None = Field(default=None, description="UTC; older tables do not say")
    frames: int = Field(default=0, ge=0, description="parts of the station or a data set, besides golden samples")
    evidence: tuple[Evidence, ...]

    @property
    def proved(self) -> tuple[Evidence, ...]:
        return tuple(one for one in self.evidence if one.refused is None)


@dataclass(slots=True, eq=False)
class _Tried:
    """A candidate with its inspector while it is measured."""

    candidate: Candidate
    inspector: Inspector
    load_s: float
    said: list[tuple[Outcome, float]]
    golden: list[tuple[Outcome, float]]
    seconds: list[float] = field(default_factory=list)


def candidates(bundle: Bundle) -> Iterator[Candidate]:
    """Yield the ways to run a bundle that make sense, whether this machine has them or not; the reference first."""
    present = [name for name, file in MODEL_FILES.items() if (bundle.path / file).is_file()]
    for settings, precisions in (*_processor_ways(), *_DEVICE_WAYS):
        for precision in precisions:
            if precision in present and precision in bundle.calibrations:
                yield Candidate(precision=precision, runtime=settings)


Way = tuple[RuntimeSettings, tuple[Precision, ...]]
_ON_PROCESSOR: tuple[Way, ...] = (
    (RuntimeSettings(), ("float", "cpu-int8", "trt-int8")),
    (RuntimeSettings(kind="openvino"), ("float", "cpu-int8")),
    (RuntimeSettings(kind="openvino", arithmetic="fast"), ("float", "cpu-int8")),
)
_DEVICE_WAYS: tuple[Way, ...] = (
    (RuntimeSettings(kind="openvino", device="gpu", arithmetic="fast"), ("float", "cpu-int8")),
    (RuntimeSettings(kind="openvino", device="npu", arithmetic="fast"), ("float", "cpu-int8")),
    (RuntimeSettings(device="cuda"), ("float", "trt-int8")),
    (RuntimeSettings(device="tensorrt"), ("float", "trt-int8")),
    (RuntimeSettings(kind="tensorrt-rtx", device="gpu"), ("trt-int8",)),
    (RuntimeSettings(kind="tensorrt", device="gpu"), ("trt-int8",)),
)


def _processor_ways() -> Iterator[Way]:
    """Each with one thread and with all that a station may have."""
    for threads in sorted({1, thread_count(RuntimeSettings())}, reverse=True):
        for settings, precisions in _ON_PROCESSOR:
            yield settings.model_copy(update={"threads": threads}), precisions


def machine() -> dict[str, str]:
    """Return what a table's times and differences depend on: the processor and the libraries' versions."""
    found = {"processor": _processor(), "cores": str(os.cpu_count()), "system": platform.platform()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def prove(
    bundle: Bundle,
    recipe: Recipe,
    frames: Sequence[Frame] = (),
    ways: Sequence[Candidate] | None = None,
    clock: Clock = time.perf_counter,
) -> RuntimeTable:
    """Run golden samples and `frames`, each a part, through every candidate.

    Raises:
        BundleError: not even the reference of a precision runs, or the bundle has no golden samples.
    """
    if not bundle.golden:
        raise BundleError(f"{bundle.path}: no golden samples; expected some, to compare runtimes on")
    tried: list[_Tried] = []
    refused: list[Evidence] = []
    for candidate in ways or tuple(candidates(bundle)):
        try:
            tried.append(_try(bundle, recipe, candidate, frames, clock))
        except InspectorError as error:
            reason = str(error) if isinstance(error, RuntimeUnavailable) else f"fails: {error}"
            refused.append(Evidence(candidate=candidate, refused=reason))
    _time(tried, frames, clock)
    evidence = [_evidence(one, _reference(one, tried), bundle) for one in tried] + refused
    ranked = sorted(evidence, key=lambda one: (one.refused is not None, one.p50_ms or float("inf")))
    return RuntimeTable(
        bundle=bundle.id,
        machine=machine(),
        measured_at=datetime.now(UTC),
        frames=len(frames),
        evidence=tuple(ranked),
    )


def settled(recipe: Recipe, candidate: Candidate) -> Recipe:
    """Return the recipe with a candidate's precision and runtime."""
    return recipe.model_copy(update={"precision": candidate.precision, "runtime": candidate.runtime})


def _try(bundle: Bundle, recipe: Recipe, candidate: Candidate, frames: Sequence[Frame], clock: Clock) -> _Tried:
    started = clock()
    inspector = Inspector(bundle, settled(recipe, candidate))
    inspector.warm_up()
    load_s = clock() - started
    golden = [(outcome, chance) for _, outcome, chance in inspector.golden_outcomes()]
    said = [_said(inspector, frame) for frame in frames]
    return _Tried(candidate, inspector, load_s, said, golden)


def _said(inspector: Inspector, frame: Frame) -> tuple[Outcome, float]:
    verdict = inspector.inspect([frame]).verdict
    if verdict.defect_probability is None:
        raise RuntimeFault("; ".join(verdict.reasons) or "no probability")
    return verdict.outcome, verdict.defect_probability


def _time(tried: Sequence[_Tried], frames: Sequence[Frame], clock: Clock) -> None:
    """Each judges the same frames, made ready beforehand, in turns; an even grey picture where there is no frame."""
    for turn in range(ROUNDS):
        for one in tried:
            for number in range(ROUND):
                run: Callable[[], object] = one.inspector.warm_up
                if frames:
                    view = one.inspector.prepare(frames[(turn * ROUND + number) % len(frames)])
                    run = partial(one.inspector.judge, [view])
                started = clock()
                run()
                one.seconds.append(clock() - started)


def _reference(one: _Tried, tried: Sequence[_Tried]) -> _Tried:
    """The first that runs the same precision: ONNX Runtime's, as it stands first among the candidates."""
    return next(other for other in tried if other.candidate.precision == one.candidate.precision)


def _evidence(one: _Tried, reference: _Tried, bundle: Bundle) -> Evidence:
    mine, theirs = [*one.golden, *one.said], [*reference.golden, *reference.said]
    pairs = list(zip(mine, theirs, strict=True))
    recorded = [sample.expected.get(one.candidate.precision) for sample in bundle.golden]
    expected = [wanted for wanted in recorded if wanted is not None]
    found = Evidence(
        candidate=one.candidate,
        describes=one.inspector.describe(),
        parts=len(pairs),
        largest_difference=max((abs(a[1] - b[1]) for a, b in pairs), default=0.0),
        flips=sum(a[0] is not b[0] for a, b in pairs),
        rejects_passed=sum(a[0] is Outcome.PASS and b[0] is Outcome.REJECT for a, b in pairs),
        golden_flips=sum(said[0] is not wanted.outcome for said, wanted in zip(one.golden, expected, strict=True)),
        load_s=round(one.load_s, 3),
        p50_ms=round(1e3 * float(np.percentile(one.seconds, 50)), 4),
        p99_ms=round(1e3 * float(np.percentile(one.seconds, 99)), 4),
    )
    return found.model_copy(update={"refused": _refusal(found)})


def _refusal(found: Evidence) -> str | None:
    by_recorder = found.candidate.runtime.kind == "onnxruntime"
    tolerance = GOLDEN_TOLERANCE if by_recorder else OTHER_LIBRARY_TOLERANCE
    if not found.parts:
        return "no golden sample is recorded at this precision"
    if found.golden_flips:
        return f"{found.golden_flips} golden samples have another outcome"
    if found.rejects_passed:
        return f"it passes {found.rejects_passed} parts that the reference rejects"
    if found.largest_difference > tolerance:
        return f"a probability differs by {found.largest_difference:.3f}, more than {tolerance:g}"
    return None
