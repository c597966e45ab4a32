"""Refused, or a candidate: a pure function of what both bundles said of the same parts.

Every margin must be shown by itself, each at the whole error: a candidate that is beyond any of them passes all tests
with at most that probability (Berger, Technometrics 24, 1982), so nothing is shared out between them. What is not shown
is refused, too few parts included: a line keeps the bundle that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from inspector.calibration.reliability import DRAWS, reliability
from inspector.errors import CalibrationUndefined
from inspector.gate_settings import GateSettings, groups_needed
from inspector.labels import split_labels
from training.gate.evidence import (
    Flip,
    GateReport,
    KnownVerdict,
    MarginTest,
    Said,
    Side,
    Subject,
    Trust,
    Wrong,
    paired,
    passed,
    rejected,
    reviewed,
    unsettled,
)
from training.gate.paired_test import at_most, p_value

NAMED = 3
"""Parts that a reason names."""


def decide(
    candidate: Side, serving: Side, subject: Subject, draws: int = DRAWS, known: tuple[KnownVerdict, ...] = ()
) -> GateReport:
    """Hold a candidate against the bundle that serves; `known` are parts of known truth that both judged.

    Where the sides do not stand for the same parts, nothing is compared and the candidate is refused. The interval of
    the calibration error is of so many `draws`.
    """
    mismatches = tuple(_mismatches(candidate, serving))
    tests = () if mismatches else tuple(_tests(candidate.said, serving.said, subject.settings))
    trust, serving_trust = _trust(candidate.said, draws), _trust(serving.said, draws)
    candidate_ms, serving_ms = _median_ms(candidate.said), _median_ms(serving.said)
    ratio = candidate_ms / serving_ms if candidate_ms and serving_ms else None
    reasons = (
        *mismatches,
        *_faults(candidate, serving),
        *(one.fault for one in known if one.fault),
        *(f"not shown: {test.text()}" for test in tests if not test.shown),
        *_trust_reasons(trust, subject.settings),
        *_latency_reasons(ratio, subject.settings),
    )
    return GateReport(
        outcome="refused" if reasons else "candidate",
        reasons=reasons,
        subject=subject,
        parts=len(candidate.said),
        groups=len({one.group for one in candidate.said}),
        tests=tests,
        candidate_trust=trust,
        serving_trust=serving_trust,
        latency_ratio=ratio,
        candidate_ms=candidate_ms,
        serving_ms=serving_ms,
        parity=candidate.parity,
        candidate_certificate=candidate.standing,
        serving_certificate=serving.standing,
        flips=() if mismatches else tuple(_flips(candidate.said, serving.said)),
        known=known,
    )


def _mismatches(candidate: Side, serving: Side) -> Iterator[str]:
    """Yield why the two cannot be compared at all."""
    if candidate.bundle_id == serving.bundle_id:
        yield f"the candidate is the serving bundle {serving.bundle_id[:16]} itself"
    if candidate.takes != serving.takes:
        yield f"the candidate is for {candidate.takes}, the serving bundle for {serving.takes}"
    if candidate.good != serving.good:
        yield f"good means {_names(candidate.good)} to the candidate and {_names(serving.good)} to the serving bundle"
    if missing := sorted(set(serving.classes) - set(candidate.classes)):
        yield f"the candidate does not know {_names(missing)}"
    if _truth(candidate.said) != _truth(serving.said):
        yield "the two sides are not of the same parts with the same labels"
    if len({one.part for one in candidate.said}) < len(candidate.said):
        yield "a part stands twice among those that were judged"


def _truth(said: Sequence[Said]) -> list[tuple[str, str, str, bool]]:
    return [(one.part, one.group, one.label, one.is_defect) for one in said]


def _faults(candidate: Side, serving: Side) -> Iterator[str]:
    if candidate.self_test:
        yield f"golden self-test: {candidate.self_test}"
    for name, side in (("candidate", candidate), ("serving bundle", serving)):
        if unjudged := [one.part for one in side.said if not one.judged]:
            yield f"the {name} did not judge {len(unjudged)} of {len(side.said)} parts, as {_names(unjudged[:NAMED])}"
    if serving.certified and not candidate.certified:
        yield f"the serving bundle is certified, the candidate is not: {candidate.standing}"


def _tests(candidate: Sequence[Said], serving: Sequence[Said], settings: GateSettings) -> Iterator[MarginTest]:
    pairs = list(zip(candidate, serving, strict=True))

    def test(name: str, margin: float, wrong: Wrong, chosen: Sequence[tuple[Said, Said]]) -> MarginTest:
        now, before = [one for one, _ in chosen], [other for _, other in chosen]
        return _margin_test(name, margin, settings.error, now, before, wrong)

    defective = [pair for pair in pairs if pair[0].is_defect]
    good = [pair for pair in pairs if not pair[0].is_defect]
    yield test("any defect passed", settings.escape_margin, passed, defective)
    for label in sorted({label for one, _ in defective for label in split_labels(one.label)}):
        mine = [pair for pair in defective if label in split_labels(pair[0].label)]
        yield test(f"{label} passed", settings.margin_of(label), passed, mine)
    yield test("defective to review", settings.review_margin, unsettled, defective)
    yield test("good rejected", settings.overkill_margin, rejected, good)
    yield test("good to review", settings.review_margin, reviewed, good)


def _margin_test(
    name: str, margin: float, error: float, candidate: Sequence[Said], serving: Sequence[Said], wrong: Wrong
) -> MarginTest:
    seen, needed = paired(candidate, serving, wrong), groups_needed(margin, error)
    if seen is None:
        return MarginTest(
            name=name, n=0, lost=0, gained=0, margin=margin, needed=needed, p_value=None, at_most=None, shown=False
        )
    p, weighed = p_value(seen, margin), weighed_difference(candidate, serving, wrong)
    return MarginTest(
        name=name,
        n=seen.n,
        lost=seen.lost,
        gained=seen.gained,
        margin=margin,
        needed=needed,
        p_value=p,
        at_most=at_most(seen, error),
        weighed=weighed,
        shown=p <= error and (weighed is None or weighed < margin),
    )


def weighed_difference(candidate: Sequence[Said], serving: Sequence[Said], wrong: Wrong) -> float | None:
    """Return how much more often the candidate goes wrong, each part weighed; None where all weigh the same.

    An estimate with no bound of its own: exact tests count things that are alike. It can only refuse.
    """
    weights = np.array([one.weight for one in candidate], np.float64)
    if np.ptp(weights) == 0:
        return None
    worse = np.array([float(wrong(now)) - float(wrong(was)) for now, was in zip(candidate, serving, strict=True)])
    return float((weights * worse).sum() / weights.sum())


def _trust(said: Sequence[Said], draws: int) -> Trust | None:
    judged = [one for one in said if one.judged]
    probability = np.array([one.probability for one in judged], np.float64)
    truth = np.array([one.is_defect for one in judged], bool)
    try:
        found = reliability(probability, truth, [one.group for one in judged], draws)
    except CalibrationUndefined:
        return None
    return Trust(ece=found.ece.value, low=found.ece.low, high=found.ece.high)


def _trust_reasons(trust: Trust | None, settings: GateSettings) -> Iterator[str]:
    if trust is None:
        yield "calibration: undefined; expected judged parts of both kinds, good and defective"
    elif trust.low > settings.calibration_error:
        yield f"calibration: ECE {trust.text()} lies above {settings.calibration_error:g}"


def _latency_reasons(ratio: float | None, settings: GateSettings) -> Iterator[str]:
    if ratio is None:
        yield "latency: no part was timed"
    elif ratio > settings.latency_ratio:
        yield f"latency: {ratio:.2f} times the serving bundle's; expected at most {settings.latency_ratio:g}"


def _median_ms(said: Sequence[Said]) -> float | None:
    return 1e3 * float(np.median([one.seconds for one in said])) if said else None


def _flips(candidate: Sequence[Said], serving: Sequence[Said]) -> Iterator[Flip]:
    """Yield the parts with another outcome, those that the candidate gets wrong first."""
    differing = [(now, was) for now, was in zip(candidate, serving, strict=True) if now.outcome is not was.outcome]
    for now, was in sorted(differing, key=lambda pair: not _is_worse(*pair)):
        yield Flip(
            part=now.part,
            label=now.label,
            serving=was.outcome,
            candidate=now.outcome,
            serving_probability=was.probability if was.judged else None,
            candidate_probability=now.probability if now.judged else None,
            worse=_is_worse(now, was),
        )


def _is_worse(now: Said, was: Said) -> bool:
    def wrong(one: Said) -> bool:
        return passed(one) or rejected(one)

    return wrong(now) and not wrong(was)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
