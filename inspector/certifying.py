"""From held parts, judged by the line's own inspection, to a certificate or a refusal that says what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from inspector.certificate import Certificate, CertifiedRate, judge_of, judging_fields
from inspector.cheapest import Costs, cheapest, cost_per_thousand
from inspector.errors import CertificateError
from inspector.figures import JudgedPart
from inspector.held import BEYOND, Parts, Unit
from inspector.inspection import Inspector
from inspector.labels import split_labels
from inspector.limits import ANY, GOOD, Allowance, Claim, Held, Reach, certified_reach, misses_at
from inspector.samples import Dataset
from inspector.values import Outcome
from inspector.verdict import Policy


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the held parts."""

    claim: Claim
    unit: Unit = "group"
    per_kind: bool = False
    """Every kind of defect that is held gets a bound of its own: the claim's where it names one, else `escape`."""
    costs: Costs | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Limits, and what proves them."""

    limits: Reach
    rates: tuple[CertifiedRate, ...]


def held_parts(judged: Sequence[JudgedPart], policy: Policy) -> Parts:
    """Return the parts as `policy` judged them, with what no limit on the probability could have changed.

    A part that is doubtful by itself (unlike all that is known, or a rule on its findings) never passes; that it might
    be rejected is held against us. What only a rule rejects is rejected under any limits.
    """
    probability = np.array([part.verdict.defect_probability for part in judged], np.float64)
    outcomes = [part.verdict.outcome for part in judged]
    stopped = np.array([outcome is not Outcome.PASS for outcome in outcomes], bool) & (probability < policy.pass_below)
    novel = np.array([_is_novel(part, policy) for part in judged], bool)
    ruled = np.array([outcome is Outcome.REJECT for outcome in outcomes], bool) & (probability < policy.reject_above)
    return Parts(
        pass_scores=np.where(stopped | novel | ruled, BEYOND, probability),
        reject_scores=np.where(ruled, BEYOND, probability),
        is_defect=np.array([part.is_defect for part in judged], bool),
        kinds=tuple(split_labels(part.sample.label) if part.is_defect else () for part in judged),
        groups=tuple(part.sample.group for part in judged),
    )


def _is_novel(part: JudgedPart, policy: Policy) -> bool:
    return part.prediction.novelty is not None and part.prediction.novelty >= policy.review_novelty


def prove(parts: Parts, request: Request, used: Policy) -> Proof:
    """Return the cheapest certified limits; `used` are the limits in force, for which a refusal counts the misses.

    Raises:
        CertificateError: the parts do not support the claim; the message says what is missing.
    """
    kinds = _kinds(parts, request)
    held = parts.held(kinds, request.unit)
    reach, allowance = certified_reach(held, request.claim, Reach(used.pass_below, used.reject_above))
    limits = cheapest(parts, reach, request.costs)
    return Proof(limits, _rates(held, limits, allowance, request.claim))


def _kinds(parts: Parts, request: Request) -> tuple[str, ...]:
    present = {kind for mine in parts.kinds for kind in mine}
    if reserved := present & {ANY, GOOD}:
        raise CertificateError(f"certificate: a kind of defect is called {reserved.pop()!r}; expected another name")
    if unknown := sorted(request.claim.kinds.keys() - present):
        raise CertificateError(
            f"certificate: no held part of kind {', '.join(unknown)}; expected some of {', '.join(sorted(present))}"
        )
    return tuple(sorted(present if request.per_kind else request.claim.kinds))


def _rates(held: Held, limits: Reach, allowance: Allowance, claim: Claim) -> tuple[CertifiedRate, ...]:
    misses = misses_at(held, limits)
    escapes = [
        CertifiedRate(
            name=name,
            n=scores.size,
            misses=misses[name],
            allowed=allowance.escapes[name],
            at_most=claim.bound(name),
        )
        for name, scores in held.defective.items()
    ]
    overkill = CertifiedRate(
        name=GOOD, n=held.good.size, misses=misses[GOOD], allowed=allowance.overkills, at_most=claim.overkill
    )
    return (*escapes, overkill)


def certify(
    inspector: Inspector,
    judged: Sequence[JudgedPart],
    dataset: Dataset,
    split: str,
    request: Request,
    made_at: datetime | None = None,
) -> Certificate:
    """Return the certificate of the inspector's bundle, precision and recipe on judged held parts; raises as `prove`.

    The parts must be none that the network, its choice among others, or its calibration's *shape* was fitted on: a map
    from score to probability that never falls may have been (`inspector.limits`). `made_at` is what it says of its
    making; unset: the clock's word.
    """
    bundle, recipe = inspector.bundle, inspector.recipe
    parts = held_parts(judged, inspector.policy)
    proof = prove(parts, request, inspector.policy)
    policy = _policy(inspector.policy, proof.limits)
    certificate = Certificate(
        claim=request.claim,
        unit=request.unit,
        parts=len(parts),
        groups=len(set(parts.groups)),
        rates=proof.rates,
        reviewed=int(parts.reviewed(proof.limits).sum()),
        policy=policy,
        costs=request.costs,
        cost_per_1000=cost_per_thousand(parts, proof.limits, request.costs) if request.costs else None,
        bundle=bundle.id,
        judge=judge_of(bundle, recipe.precision),
        precision=recipe.precision,
        runtime=recipe.runtime.kind,
        recipe=judging_fields(recipe),
        dataset=dataset.folder.resolve().name,
        dataset_hash=dataset.content_hash,
        split=split,
        made_at=made_at or datetime.now(UTC),
    )
    return certificate.model_copy(update={"policy": policy.model_copy(update={"origin": certificate.short()})})


def _policy(before: Policy, limits: Reach) -> Policy:
    return before.model_copy(update={"pass_below": limits.pass_below, "reject_above": limits.reject_above})
