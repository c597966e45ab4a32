"""From a prediction to an outcome: pure, and every outcome that is not PASS says why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field, model_validator

from inspector.documents import Document
from inspector.values import Outcome, Prediction, Quality, Verdict


class Policy(Document):
    """Limits from the calibrated probability of a defect to an outcome.

    PASS below `pass_below`, REJECT from `reject_above` on, REVIEW between. A part unlike anything known is REVIEW: what
    a network says of it means nothing.
    """

    pass_below: float = Field(ge=0, le=1, description="a part passes when its defect probability is below this")
    reject_above: float = Field(ge=0, le=1, description="a part is rejected when its defect probability reaches this")
    review_novelty: float = Field(
        default=0.99,
        gt=0,
        le=1,
        description="a part goes to review, whatever its label, when its novelty reaches this: the share of held known "
        "parts that are less unlike the training set",
    )
    review_p_value: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="anomaly: a part goes to review when at most this share of good parts looks as strange; the rate "
        "of false alarms, exact for good parts like the held ones. Set where no defective part is known",
    )
    origin: str = Field(default="set by hand", description="how the limits were chosen, and on how many parts")

    @model_validator(mode="after")
    def _ordered(self) -> Policy:
        if self.pass_below > self.reject_above:
            raise ValueError(f"pass_below {self.pass_below} must not exceed reject_above {self.reject_above}")
        return self


_URGENCY = (Outcome.REJECT, Outcome.NOT_INSPECTED, Outcome.REVIEW, Outcome.PASS)


def decide(quality: Quality, prediction: Prediction | None, policy: Policy) -> Verdict:
    """Return the verdict on one view. A picture unfit to be judged is never passed and never rejected."""
    if prediction is None:
        return Verdict(Outcome.REVIEW, quality.faults or ("no prediction",))
    probability, label = prediction.defect_probability, prediction.label
    if not math.isfinite(probability):
        return Verdict(Outcome.NOT_INSPECTED, ("defect probability is not a number",))
    if not quality.usable:
        return Verdict(Outcome.REVIEW, quality.faults, probability, label)
    if doubts := _doubts(prediction, policy):
        return Verdict(Outcome.REVIEW, doubts, probability, label)
    if probability >= policy.reject_above:
        reason = f"{_subject(prediction)} {probability:.4f} reaches reject limit {policy.reject_above:.4f}"
        return Verdict(Outcome.REJECT, (reason,), probability, label)
    if probability >= policy.pass_below:
        limits = f"{policy.pass_below:.4f} and {policy.reject_above:.4f}"
        reason = f"{_subject(prediction)} {probability:.4f} between {limits}"
        return Verdict(Outcome.REVIEW, (reason,), probability, label)
    return Verdict(Outcome.PASS, (), probability, label)


def _doubts(prediction: Prediction, policy: Policy) -> tuple[str, ...]:
    """What says that the part is like none that is known, so that its probability means nothing."""
    doubts = []
    if prediction.novelty is not None and prediction.novelty >= policy.review_novelty:
        doubts.append(f"unlike all that is known: novelty {prediction.novelty:.4f} reaches {policy.review_novelty:.4f}")
    if policy.review_p_value is not None:
        doubts += _strangeness(prediction.p_value, policy.review_p_value)
    return tuple(doubts)


def _strangeness(p_value: float | None, limit: float) -> list[str]:
    if p_value is None:
        return ["the policy goes by a p-value, and the network has none"]
    if not p_value > limit:  # NaN is no reason to pass
        return [f"stranger than good parts are: p-value {p_value:.4f} is at most {limit:.4f}; no defect is known"]
    return []


def _subject(prediction: Prediction) -> str:
    if prediction.expected is None:
        return "defect probability"
    return f"like variant {prediction.label}, expected {prediction.expected}: probability of a mismatch"


def not_inspected(reason: str) -> Verdict:
    """Return the fail-safe verdict: no network judged this part, and it is diverted."""
    return Verdict(Outcome.NOT_INSPECTED, (reason,))


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Return a part's verdict from its views': the most urgent wins, whatever the order of the views.

    A rejected view rejects the part; else a view without inspection leaves the part without one; else a doubtful view
    sends it to review; it passes when every view passes. Probability and label are the worst view's.
    """
    if not verdicts:
        raise ValueError("a part needs at least one view")
    outcome = min((verdict.outcome for verdict in verdicts), key=_URGENCY.index)
    deciding = [verdict for verdict in verdicts if verdict.outcome is outcome]
    reasons = tuple(sorted({reason for verdict in deciding for reason in verdict.reasons}))
    judged = [(v.defect_probability, v.label) for v in verdicts if v.defect_probability is not None]
    if not judged:
        return Verdict(outcome, reasons)
    probability, label = max(judged, key=lambda pair: (pair[0], pair[1] or ""))
    return Verdict(outcome, reasons, probability, label)
