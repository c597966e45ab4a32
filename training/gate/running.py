"""Both bundles on the same parts, by the line's own inspection, in turn so that both have the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from inspector.bundle import Manifest
from inspector.certificate import is_certified, standing
from inspector.errors import BundleError, RuntimeFault
from inspector.evaluation import frame_of
from inspector.inspection import Inspector
from inspector.samples import Sample
from training.gate.evidence import Said, Side
from training.part_weights import part_weights


def judge_both(
    candidate: Inspector, serving: Inspector, samples: Sequence[Sample], progress: Callable[[int], None]
) -> tuple[Side, Side]:
    """Judge each part by both, every other one by the serving bundle first."""
    for inspector in (candidate, serving):
        inspector.warm_up()
    said: dict[int, list[Said]] = {id(candidate): [], id(serving): []}
    weights = part_weights(samples)
    for number, sample in enumerate(samples):
        for inspector in (candidate, serving) if number % 2 else (serving, candidate):
            said[id(inspector)].append(_said(inspector, sample, number, float(weights[number])))
        progress(number + 1)
    return _side(candidate, said[id(candidate)]), _side(serving, said[id(serving)])


def _said(inspector: Inspector, sample: Sample, number: int, weight: float) -> Said:
    frame = frame_of(sample, inspector.bundle.manifest, number)
    began = time.perf_counter()
    verdict = inspector.inspect([frame]).verdict
    seconds = time.perf_counter() - began
    is_defect = inspector.is_defect(sample.label)
    probability = verdict.defect_probability
    return Said(sample.name, sample.group, sample.label, is_defect, verdict.outcome, probability, seconds, weight)


def _side(inspector: Inspector, said: Sequence[Said]) -> Side:
    bundle, recipe = inspector.bundle, inspector.recipe
    return Side(
        bundle_id=bundle.id,
        said=tuple(said),
        classes=bundle.manifest.classes,
        good=bundle.manifest.good,
        parity=bundle.manifest.parity,
        certified=is_certified(bundle, recipe),
        standing=standing(bundle, recipe),
        takes=_takes(bundle.manifest),
        self_test=_self_test(inspector),
    )


def _takes(manifest: Manifest) -> str:
    size = f"{manifest.task}, {manifest.input.width} x {manifest.input.height} px ({manifest.input.fit})"
    cut = manifest.tiles
    tiles = f", tiles of {cut.width} x {cut.height} px" if cut else ""
    return f"{size}{', a golden template' if manifest.template else ''}{tiles}"


def _self_test(inspector: Inspector) -> str:
    try:
        tested = inspector.self_test()
    except (BundleError, RuntimeFault) as error:
        return str(error)
    return "" if tested else f"no golden sample is recorded at {inspector.recipe.precision}"
