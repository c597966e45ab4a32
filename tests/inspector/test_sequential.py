"""Evidence that a rate is above a limit: its false alarms keep their bound at every look, and a high rate is found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.risk import binomial_cdf
from inspector.sequential import evidence_above, refuted_after


def test_evidence_is_the_mean_of_likelihood_ratios() -> None:
    limit, events = 0.1, (True, False, True)
    rates = [limit + (1 - limit) * (i + 0.5) / 32 for i in range(32)]
    by_hand = [math.prod((p / limit) if event else (1 - p) / (1 - limit) for event in events) for p in rates]
    assert evidence_above(events, limit)[-1] == pytest.approx(sum(by_hand) / 32)


def test_a_rate_at_the_limit_is_refuted_no_more_often_than_the_error_says_at_any_look() -> None:
    rng, error, tries = np.random.default_rng(1), 0.05, 1000
    refuted = sum(refuted_after(rng.random(500) < 0.08, 0.08, error) is not None for _ in range(tries))
    # more than this would happen once in 10,000 times, if each try had a chance of 5 %
    most = next(k for k in range(tries) if binomial_cdf(k, tries, error) > 0.9999)
    assert refuted <= most


def test_a_rate_far_above_the_limit_is_refuted_within_some_twenty_parts() -> None:
    rng = np.random.default_rng(2)
    after = [refuted_after(rng.random(200) < 0.6, 0.1, 0.001) for _ in range(200)]
    assert None not in after
    assert max(after) < 60  # type: ignore[type-var]


def test_nothing_is_refuted_by_no_parts_nor_above_a_limit_of_all() -> None:
    assert refuted_after((), 0.1, 0.01) is None
    assert refuted_after((True,) * 1000, 1.0, 0.01) is None


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, float("nan")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="a limit lies between"):
        evidence_above((True,), limit)


def test_an_error_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="an error lies between"):
        refuted_after((True,), 0.1, 0.0)


def test_endless_events_do_not_overflow() -> None:
    assert np.isfinite(evidence_above((True,) * 5000, 0.01)).all()
