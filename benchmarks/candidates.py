"""Worse candidates and equal ones, made by the fast path from real pictures: whom does the gate let by?

    python -m benchmarks.learning --gate DATASET --parent BUNDLE --good LABEL --tries 20 --json FILE

The rows `val` of the data set are the gate's parts: neither parent nor candidates were trained on them. Each try takes
a random half of the groups of `train`, another each time, and makes a candidate with the parent's features:

- equal: from the labels as they are;
- shuffled: the labels of one class are dealt out among all classes, another class each time;
- shifted: an equal one whose pictures are darkened and moved before it sees them, as by another preprocessing;
- slow: an equal one that takes three times its time; only its time is looked at, on a few parts.

The serving bundle is made as an equal one. What a training refuses to deliver counts apart.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.errors import UserError
from inspector.gate_settings import GateSettings
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from inspector.samples import Sample
from inspector.values import Frame, Image, PartResult
from training.budget import Budget
from training.classify import train
from training.gate.decision import decide
from training.gate.evidence import GateReport, Subject
from training.gate.known import Pair, judge_known
from training.gate.running import judge_both
from training.order import Order, say
from training.parent import read_parent
from training.recipe import QuantiseRecipe, TrainingRecipe

SLOWER = 3.0
TIMED = 40
"""Parts on which a slow candidate is timed."""
QUANTISE = QuantiseRecipe(images=64, sensitivity_s=0, fine_tune_s=0)
"""Quick: what the gate sees of a candidate is its int8 graph, good or not."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where candidates are made, and from what."""

    data: Path
    folder: Path
    parent: Bundle
    good: str
    gate: GateSettings

    @property
    def rows(self) -> list[dict[str, str]]:
        with (self.data / "index.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


class Shifted(Inspector):
    """Sees pictures that are darkened and moved."""

    def __init__(self, bundle: Bundle, recipe: Recipe, seed: int) -> None:
        super().__init__(bundle, recipe)
        rng = np.random.default_rng(seed)
        self._share, self._moved = float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.2, 0.4))

    def inspect(self, frames: Sequence[Frame]) -> PartResult:
        return super().inspect([replace(frame, image=self._shifted(frame.image)) for frame in frames])

    def _shifted(self, image: Image) -> Image:
        moved = np.roll(image, int(self._moved * image.shape[1]), axis=1)
        return np.ascontiguousarray((moved * self._share).astype(np.uint8))


class Slow(Inspector):
    """Takes its time."""

    def inspect(self, frames: Sequence[Frame]) -> PartResult:
        began = time.perf_counter()
        judged = super().inspect(frames)
        time.sleep((SLOWER - 1) * (time.perf_counter() - began))
        return judged


def campaign(bench: Bench, tries: int) -> Mapping[str, int | float | str]:
    """Make all candidates, hold each against the serving bundle, and count."""
    serving = made(bench, seed=1000, shuffled=None)
    if serving is None:
        raise UserError(f"{bench.data}: no serving bundle came of it")
    kinds = sorted({row["label"] for row in bench.rows} - {bench.good})
    found, seconds = Counter[str](), []
    for number in range(tries):
        began = time.perf_counter()
        equal = made(bench, number, shuffled=None)
        seconds.append(time.perf_counter() - began)
        worse = made(bench, number, shuffled=kinds[number % len(kinds)])
        found.update(f"{kind}_{what}" for kind, what in tried(bench, serving, equal, worse, number))
        say(f"try {number + 1} of {tries}: {dict(found)}")
    counts = {f"{kind}_{what}": found[f"{kind}_{what}"] for kind in KINDS for what in ("refused", "passed", ABSENT)}
    return {**counts, "tries": tries, "candidate_s_median": float(np.median(seconds)), "data_set": bench.data.name}


KINDS = ("equal", "shuffled", "shifted", "slow")
ABSENT = "not_delivered"


def tried(
    bench: Bench, serving: Bundle, equal: Bundle | None, worse: Bundle | None, seed: int
) -> Iterator[tuple[str, str]]:
    """Yield of each kind whether the gate refused it, or let it by."""
    recipe, parts = Recipe(), gate_parts(bench)
    if equal is None:
        yield from ((kind, ABSENT) for kind in ("equal", "shifted", "slow"))
    else:
        yield told("equal", report_of(bench, Inspector(equal, recipe), serving, parts).reasons)
        yield told("shifted", report_of(bench, Shifted(equal, recipe, seed), serving, parts).reasons)
        reasons = report_of(bench, Slow(equal, recipe), serving, parts[:TIMED]).reasons
        yield told("slow", [reason for reason in reasons if reason.startswith("latency")])
    if worse is None:
        yield "shuffled", ABSENT
    else:
        yield told("shuffled", report_of(bench, Inspector(worse, recipe), serving, parts).reasons)


def told(kind: str, reasons: Sequence[str]) -> tuple[str, str]:
    say(f"{kind}: {'; '.join(reasons) or 'passes'}")
    return kind, "refused" if reasons else "passed"


def report_of(bench: Bench, candidate: Inspector, serving: Bundle, parts: Sequence[Sample]) -> GateReport:
    other = Inspector(serving, Recipe())
    sides = judge_both(candidate, other, parts, lambda done: None)
    subject = Subject(
        candidate=candidate.bundle.id,
        serving=serving.id,
        precision="cpu-int8",
        dataset=bench.data.name,
        dataset_hash="0" * 64,
        split="val",
        settings=bench.gate,
        runtime=other.describe()["runtime"],
        made_at=datetime.now(UTC),
    )
    return decide(*sides, subject, known=judge_known(Pair(candidate, other), None))


def gate_parts(bench: Bench) -> tuple[Sample, ...]:
    samples = read_dataset(bench.data, good=(bench.good,), splits=("val",)).select("val")
    order = np.random.default_rng(0).permutation(len(samples))
    return tuple(samples[number] for number in order)


def made(bench: Bench, seed: int, shuffled: str | None) -> Bundle | None:
    """Make a candidate from half of the training groups; None where the training refuses to deliver it."""
    folder = bench.folder / f"{seed}-{shuffled or 'as they are'}"
    rng = np.random.default_rng((seed, 0))
    rows = half([row for row in bench.rows if row["split"] == "train"], rng)
    write_rows(bench.data, folder / "set", rows if shuffled is None else dealt(rows, shuffled, rng))
    parent = read_parent(bench.parent)
    recipe = TrainingRecipe(
        backbone=parent.recipe.backbone, quantise=QUANTISE, policy=parent.recipe.policy, fit=parent.recipe.fit
    )
    dataset = read_dataset(folder / "set", good=(bench.good,), splits=("train", "val"))
    kept = bench.folder / "features"
    order = Order(dataset, folder / "out", recipe, seed, False, None, bench.parent, fast=True, features=kept)
    try:
        return load_bundle(train(order, Budget.starting_now(None)))
    except UserError as error:
        say(f"not delivered: {error}")
        return None


def half(rows: Sequence[Mapping[str, str]], rng: np.random.Generator) -> list[Mapping[str, str]]:
    groups = sorted({row["group"] for row in rows})
    taken = set(rng.permutation(groups)[: len(groups) // 2].tolist())
    return [row for row in rows if row["group"] in taken]


def dealt(rows: Sequence[Mapping[str, str]], label: str, rng: np.random.Generator) -> list[Mapping[str, str]]:
    """Deal the labels of one class out among all classes."""
    labels = sorted({row["label"] for row in rows})
    return [{**row, "label": str(rng.choice(labels))} if row["label"] == label else row for row in rows]


def write_rows(data: Path, folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a data set of some rows; the pictures stay where they are."""
    folder.mkdir(parents=True)
    for path in sorted(data.iterdir()):
        if path.is_dir():
            (folder / path.name).symlink_to(path)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
