"""What the benchmarks of certificates rest on: true rates that are true, and bounds that hold in a short run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.certificates import MODELS, figures
from benchmarks.certified_splits import figures as split_figures
from inspector.held import Parts


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("kind", [True, False])
def test_the_true_rate_of_a_model_is_that_of_many_draws(name: str, kind: bool) -> None:
    model = MODELS[name]
    scores = model.draw(np.random.default_rng(1), np.full(200_000, kind))
    for limit in (0.05, 0.3, float(np.median(scores)), float(np.nextafter(np.median(scores), 1)), 0.97):
        assert model.below(limit, is_defect=kind) == pytest.approx(np.mean(scores < limit), abs=0.005)
    assert (model.below(0.0, is_defect=kind), model.below(1.0, is_defect=kind)) == (0.0, 1.0)


def test_bounds_hold_and_are_not_vacuous() -> None:
    found = figures(150, seed=3)
    assert float(str(found["either_end_broken_at_least_99_share"])) <= 0.05
    assert float(str(found["issued_where_possible_share"])) >= 0.9
    assert found["confidence"] == 0.95


def test_counting_groups_holds_where_counting_pictures_of_one_thing_does_not() -> None:
    """Forty things of each kind, eight pictures each that are nearly the same: pictures are eight times too sure."""
    rng = np.random.default_rng(0)
    thing = rng.random(80)
    is_defect = np.repeat(np.arange(80) < 40, 8)
    scores = np.clip(np.repeat(thing, 8) + rng.normal(0, 0.001, 640), 0, 1)
    kinds = tuple(("crack",) if bad else () for bad in is_defect)
    parts = Parts(scores, scores, is_defect, kinds, tuple(str(i // 8) for i in range(640)))
    found = split_figures(parts, 60, seed=0)
    assert float(str(found["by_group_slack_1_refuted_by_groups_share"])) <= 0.1
    assert float(str(found["by_part_slack_1_exceeded_by_parts_share"])) >= 0.3
