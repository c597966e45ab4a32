"""Every study of agreement that the labels allow; one that they do not says why in its place."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypeVar

from inspector.agreement import (
    AttributeStudy,
    Criterion,
    Kappa,
    Rating,
    Repeatability,
    attribute_study,
    cohen_kappa,
    first_labels,
    fleiss_kappa,
    raters_of,
    repeatability,
)
from inspector.errors import UndefinedFigure

COLUMNS = ("study", "who", "with", "value", "low", "high", "count", "n", "mark")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Studies:
    """Agreement in every sense. A study that the labels do not define is the sentence that says why."""

    raters: tuple[str, ...]
    labels: int
    parts: int
    all_raters: Kappa | str
    pairs: Mapping[tuple[str, str], Kappa | str]
    machine: Mapping[str, Kappa | str]
    repeats: Mapping[str, Repeatability | str]
    against: Mapping[str, AttributeStudy | str]
    reference: str | None

    def figures(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "raters": list(self.raters),
            "labels": self.labels,
            "parts": self.parts,
            "reference": self.reference,
            "fleiss": _plain(self.all_raters),
            "cohen": [{"first": a, "second": b, **_plain(kappa)} for (a, b), kappa in self.pairs.items()],
            "machine": [{"rater": rater, **_plain(kappa)} for rater, kappa in self.machine.items()],
            "repeatability": [{"rater": rater, **_repeat_figures(one)} for rater, one in self.repeats.items()],
            "against_reference": [{"rater": rater, **_study_figures(one)} for rater, one in self.against.items()],
        }


def studies(ratings: Sequence[Rating], stopped: Mapping[Any, bool], reference: str | None = None) -> Studies:
    """Make every study. `stopped` says by part whether the machine stopped it.

    Raises:
        UndefinedFigure: there is no blind label at all, or the reference gave none.
    """
    raters = raters_of(ratings)
    if reference is not None and reference not in raters:
        raise UndefinedFigure(f"--reference {reference}: gave no blind label; expected one of {', '.join(raters)}")
    first = first_labels(ratings)
    truth = {rating.part: rating.is_defect for rating in ratings if rating.rater == reference}
    judged = [rater for rater in raters if rater != reference]
    return Studies(
        raters=tuple(raters),
        labels=len(ratings),
        parts=len(first),
        all_raters=_or_why(lambda: _all_raters(first)),
        pairs={pair: _pair(first, *pair) for pair in combinations(raters, 2)},
        machine={rater: _with_machine(ratings, stopped, rater) for rater in raters},
        repeats={rater: _repeats(ratings, rater) for rater in raters},
        against={rater: _against(ratings, truth, rater) for rater in judged} if reference else {},
        reference=reference,
    )


def _or_why(study: Callable[[], T]) -> T | str:
    try:
        return study()
    except UndefinedFigure as error:
        return f"not stated: {error}"


def _all_raters(first: Mapping[Hashable, Mapping[str, str]]) -> Kappa:
    """Agreement over the parts that two persons or more labelled."""
    return fleiss_kappa([list(said.values()) for said in first.values() if len(said) > 1])


def _pair(first: Mapping[Hashable, Mapping[str, str]], one: str, other: str) -> Kappa | str:
    both = [(said[one], said[other]) for said in first.values() if one in said and other in said]
    return _or_why(lambda: cohen_kappa([a for a, _ in both], [b for _, b in both]))


def _with_machine(ratings: Sequence[Rating], stopped: Mapping[Any, bool], rater: str) -> Kappa | str:
    """Agreement of a person's first label of each part, defective or good, with the machine's stop or pass."""
    said: dict[Hashable, bool] = {}
    for rating in ratings:
        if rating.rater == rater and rating.part in stopped:
            said.setdefault(rating.part, rating.is_defect)
    words = {True: "defective", False: "good"}
    return _or_why(lambda: cohen_kappa([words[one] for one in said.values()], [words[stopped[part]] for part in said]))


def _repeats(ratings: Sequence[Rating], rater: str) -> Repeatability | str:
    return _or_why(lambda: repeatability(ratings, rater))


def _against(ratings: Sequence[Rating], truth: Mapping[Hashable, bool], rater: str) -> AttributeStudy | str:
    return _or_why(lambda: attribute_study(ratings, truth, rater))


def table(known: Studies) -> list[tuple[object, ...]]:
    """One row for each study."""
    rows = [_kappa_row("fleiss", "all", "", known.all_raters)]
    rows += [_kappa_row("cohen", one, other, kappa) for (one, other), kappa in known.pairs.items()]
    rows += [_kappa_row("cohen", rater, "machine", kappa) for rater, kappa in known.machine.items()]
    for rater, repeated in known.repeats.items():
        rows.append(_repeat_row(rater, repeated))
    for rater, study in known.against.items():
        rows += _study_rows(rater, known.reference or "", study)
    return rows


def _kappa_row(study: str, who: str, other: str, kappa: Kappa | str) -> tuple[object, ...]:
    if isinstance(kappa, str):
        return study, who, other, "", "", "", "", "", kappa
    return study, who, other, kappa.value, kappa.low, kappa.high, "", kappa.n, ""


def _repeat_row(rater: str, one: Repeatability | str) -> tuple[object, ...]:
    if isinstance(one, str):
        return "repeatability", rater, rater, "", "", "", "", "", one
    return "repeatability", rater, rater, one.same.value, one.at_least, "", one.same.count, one.same.n, ""


def _study_rows(rater: str, reference: str, study: AttributeStudy | str) -> list[tuple[object, ...]]:
    if isinstance(study, str):
        return [("errors", rater, reference, "", "", "", "", "", study)]
    named = (("errors", study.errors), ("misses", study.miss), ("false alarms", study.false_alarm))
    return [(name, rater, reference, *_criterion_row(one)) for name, one in named]


def _criterion_row(one: Criterion) -> tuple[object, ...]:
    return one.decisions.value, "", one.at_most(), one.decisions.count, one.decisions.n, one.mark.value


def _plain(kappa: Kappa | str) -> dict[str, Any]:
    return {"not_stated": kappa} if isinstance(kappa, str) else asdict(kappa)


def _repeat_figures(one: Repeatability | str) -> dict[str, Any]:
    if isinstance(one, str):
        return {"not_stated": one}
    kappa = asdict(one.kappa) if one.kappa else None
    return {"same": one.same.count, "parts": one.same.n, "at_least": one.at_least, "kappa": kappa}


def _study_figures(study: AttributeStudy | str) -> dict[str, Any]:
    if isinstance(study, str):
        return {"not_stated": study}
    named = {"errors": study.errors, "misses": study.miss, "false_alarms": study.false_alarm}
    rates = {name: _criterion_figures(one) for name, one in named.items()}
    return {"effectiveness": study.effectiveness, "mark": study.mark.value, **rates}


def _criterion_figures(one: Criterion) -> dict[str, Any]:
    return {
        "count": one.decisions.count,
        "n": one.decisions.n,
        "at_most": one.at_most(),
        "parts_with_one": one.parts.count,
        "parts": one.parts.n,
        "mark": one.mark.value,
        "shown": one.is_shown(),
    }
