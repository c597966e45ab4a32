from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.proportion import proportion_confint

from inspector.audit import AuditedStratum, estimate_escapes, least_escapes, most_escapes
from inspector.errors import UndefinedFigure
from inspector.risk import hypergeometric_cdf

PLAIN = AuditedStratum("far", 0.01, 10_000, 100, 100, 0)
NEAR = AuditedStratum("near", 0.2, 500, 100, 90, 3)


@st.composite
def strata(draw: st.DrawFn) -> AuditedStratum:
    population = draw(st.integers(1, 3000))
    drawn = draw(st.integers(1, population))
    labelled = draw(st.integers(1, drawn))
    escapes = draw(st.integers(0, labelled))
    return AuditedStratum("one", draw(st.floats(0.001, 1)), population, drawn, labelled, escapes)


# ---- exact limits


@given(st.data())
def test_the_hypergeometric_distribution_is_scipys(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 3000))
    marked = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(0, population))
    k = data.draw(st.integers(-1, drawn + 1))
    ours = hypergeometric_cdf(k, population, marked, drawn)
    assert ours == pytest.approx(hypergeom.cdf(k, population, marked, drawn), abs=1e-9)


@pytest.mark.parametrize("k", range(4, 9))
def test_the_hypergeometric_distribution_by_counting(k: int) -> None:
    """8 of 10 are marked and 7 drawn: at least 5 of them are."""
    ways = sum(math.comb(8, i) * math.comb(2, 7 - i) for i in range(5, min(k, 7) + 1))
    assert hypergeometric_cdf(k, 10, 8, 7) == pytest.approx(ways / math.comb(10, 7))


@pytest.mark.parametrize("risk", [0.05, 0.025, 0.2])
@pytest.mark.parametrize(("population", "labelled"), [(40, 12), (300, 30), (25, 25), (61, 1)])
def test_the_limits_are_the_very_numbers_that_a_search_finds(population: int, labelled: int, risk: float) -> None:
    for escapes in range(0, labelled + 1, max(1, labelled // 5)):
        possible = range(escapes, population - labelled + escapes + 1)
        few = [n for n in possible if hypergeom.cdf(escapes, population, n, labelled) > risk]
        many = [n for n in possible if hypergeom.sf(escapes - 1, population, n, labelled) > risk]
        assert most_escapes(population, labelled, escapes, risk) == max(few)
        assert least_escapes(population, labelled, escapes, risk) == min(many)


def test_without_a_sample_the_limits_are_all_and_none() -> None:
    assert most_escapes(70, 0, 0, 0.05) == 70
    assert least_escapes(70, 0, 0, 0.05) == 0


@pytest.mark.parametrize("found", [0, 1, 4])
def test_of_a_small_share_the_limits_are_those_of_clopper_and_pearson(found: int) -> None:
    estimate = estimate_escapes([AuditedStratum("all", 0.001, 1_000_000, 1000, 1000, found)])
    low, high = proportion_confint(found, 1000, alpha=0.05, method="beta")
    assert estimate.bounds.high / 1e6 == pytest.approx(high, rel=0.01)
    assert estimate.bounds.low / 1e6 == pytest.approx(low, rel=0.01, abs=1e-6)
    assert estimate.at_most == pytest.approx(proportion_confint(found, 1000, alpha=0.1, method="beta")[1], rel=0.01)


def test_when_all_are_labelled_nothing_is_left_open() -> None:
    estimate = estimate_escapes([AuditedStratum("all", 1.0, 400, 400, 400, 7)])
    assert (estimate.bounds.low, estimate.bounds.at_most, estimate.bounds.high) == (7, 7, 7)
    assert (estimate.hajek, estimate.horvitz_thompson, estimate.hajek_error) == (7, 7, 0)


# ---- the estimate


def test_an_escape_stands_for_as_many_parts_as_it_was_drawn_from() -> None:
    estimate = estimate_escapes([PLAIN, NEAR])
    assert estimate.hajek == pytest.approx(500 * 3 / 90)
    assert estimate.horvitz_thompson == pytest.approx(3 / 0.2 * 100 / 90)
    assert estimate.rate == pytest.approx(500 * 3 / 90 / 10_500)
    assert (estimate.passes, estimate.drawn, estimate.labelled, estimate.found) == (10_500, 200, 190, 3)
    assert estimate.confidence == 0.95
    assert estimate.not_sampled == 0
    assert estimate.strata == (PLAIN, NEAR)


def test_the_standard_error_is_that_of_a_simple_random_sample() -> None:
    """Held against many draws of 90 out of 500 with 20 escapes; given the draws' own mean variance."""
    rng = np.random.default_rng(3)
    found = rng.hypergeometric(20, 480, 90, 20_000)
    estimates = [estimate_escapes([AuditedStratum("one", 0.2, 500, 90, 90, int(n))]) for n in np.unique(found)]
    variance = {estimate.found: estimate.hajek_error**2 for estimate in estimates}
    mean = np.mean([variance[int(n)] for n in found])
    assert mean == pytest.approx(np.var(500 * found / 90), rel=0.03)


def test_the_standard_error_by_hand() -> None:
    estimate = estimate_escapes([AuditedStratum("one", 0.02, 500, 10, 10, 3)])
    assert estimate.hajek_error == pytest.approx(math.sqrt(500 * 490 * 0.3 * 0.7 / 9))


def test_one_label_has_an_estimate() -> None:
    estimate = estimate_escapes([AuditedStratum("one", 0.1, 10, 1, 1, 1)])
    assert (estimate.hajek, estimate.hajek_error) == (10, 0)


def test_the_risk_goes_where_an_escape_weighs_most() -> None:
    """Two strata, no escape: each upper limit at its share of 5 %, in proportion to 1 / probability."""
    one, other = AuditedStratum("a", 0.01, 100_000, 1000, 1000, 0), AuditedStratum("b", 0.04, 25_000, 1000, 1000, 0)
    expected = most_escapes(100_000, 1000, 0, 0.04) + most_escapes(25_000, 1000, 0, 0.01)
    assert estimate_escapes([one, other]).bounds.at_most == expected
    assert estimate_escapes([one, other]).bounds.high == most_escapes(100_000, 1000, 0, 0.02) + most_escapes(
        25_000, 1000, 0, 0.005
    )


def test_both_ends_share_the_risk_of_the_two_sided_interval() -> None:
    estimate = estimate_escapes([AuditedStratum("a", 0.1, 1000, 100, 100, 10)], 0.9)
    assert estimate.bounds.low == least_escapes(1000, 100, 10, 0.05)
    assert estimate.bounds.high == estimate_escapes([AuditedStratum("a", 0.1, 1000, 100, 100, 10)]).bounds.at_most


def test_a_stratum_without_a_label_is_in_no_estimate_and_wholly_in_the_bound() -> None:
    unknown = AuditedStratum("edge", 0.5, 7, 0, 0, 0)
    alone, both = estimate_escapes([NEAR]), estimate_escapes([NEAR, unknown])
    assert both.bounds.at_most == alone.bounds.at_most + 7
    assert both.bounds.low == alone.bounds.low
    assert both.bounds.high == alone.bounds.high + 7
    assert (both.not_sampled, both.hajek, both.rate) == (7, alone.hajek, alone.rate)
    assert both.at_most == both.bounds.at_most / 507


def test_drawn_parts_without_a_label_may_be_anything() -> None:
    estimate = estimate_escapes([NEAR])
    assert estimate.worst.at_most == most_escapes(500, 100, 13, 0.05)
    assert estimate.worst.high == most_escapes(500, 100, 13, 0.025)
    assert estimate.worst.low == least_escapes(500, 100, 3, 0.025)
    full = estimate_escapes([PLAIN])
    assert full.worst == full.bounds


def test_the_share_of_defective_parts_that_pass_counts_what_was_caught() -> None:
    estimate = estimate_escapes([NEAR])
    assert estimate.share_of_defective(100) == estimate.bounds.at_most / (estimate.bounds.at_most + 100)
    assert estimate.share_of_defective(0) == 1.0
    assert estimate_escapes([AuditedStratum("all", 1.0, 4, 4, 4, 0)]).share_of_defective(0) == 0.0
    with pytest.raises(ValueError, match="caught -1"):
        estimate.share_of_defective(-1)


def test_the_text_carries_count_and_bound() -> None:
    text = estimate_escapes([PLAIN, NEAR]).text()
    assert text == "3 of 190 labelled passes; at most 3.4 % of 10500 passes (95 %)"


@given(st.lists(strata(), min_size=1, max_size=4))
def test_estimate_and_bounds_are_in_order_and_inside_the_population(parts: list[AuditedStratum]) -> None:
    estimate = estimate_escapes(parts)
    assert 0 <= estimate.bounds.low <= estimate.hajek + 1e-6
    assert estimate.hajek - 1e-6 <= estimate.bounds.high <= estimate.passes
    assert estimate.found <= estimate.bounds.at_most <= estimate.bounds.high
    assert estimate.worst.low <= estimate.worst.at_most <= estimate.worst.high
    assert estimate == estimate_escapes(parts)


@given(strata(), st.floats(0.5, 0.99))
def test_more_confidence_never_gives_a_narrower_bound(part: AuditedStratum, confidence: float) -> None:
    wide, narrow = estimate_escapes([part], 0.995), estimate_escapes([part], confidence)
    assert wide.bounds.at_most >= narrow.bounds.at_most
    assert wide.bounds.low <= narrow.bounds.low


@pytest.mark.parametrize("probabilities", [(0.02, 0.2), (0.05, 0.05)])
@pytest.mark.parametrize("escapes", [(0, 0), (30, 2), (3, 40), (200, 30)])
def test_the_upper_bound_covers_what_it_says(escapes: tuple[int, int], probabilities: tuple[float, float]) -> None:
    """2,000 drawings of the passes of a line: 95 % less three standard errors of the simulation."""
    rng, sizes = np.random.default_rng(11), (6000, 600)
    covered = 0
    for _ in range(2000):
        parts = []
        for name, size, bad, share in zip("ab", sizes, escapes, probabilities, strict=True):
            drawn = int(rng.binomial(size, share))
            found = int(rng.hypergeometric(bad, size - bad, drawn)) if drawn else 0
            parts.append(AuditedStratum(name, share, size, drawn, drawn, found))
        covered += estimate_escapes(parts).bounds.at_most >= sum(escapes)
    assert covered / 2000 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 2000)


# ---- what is not defined


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ([], "no part passed"),
        ([AuditedStratum("a", 0.1, 0, 0, 0, 0)], "no part passed"),
        ([AuditedStratum("a", 0.1, 50, 0, 0, 0)], "none of 50 passes was drawn"),
        ([AuditedStratum("a", 0.1, 50, 5, 0, 0)], "none of 5 drawn passes has a blind label"),
    ],
)
def test_an_audit_of_nothing_is_refused(parts: list[AuditedStratum], fault: str) -> None:
    with pytest.raises(UndefinedFigure, match=fault):
        estimate_escapes(parts)


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.01, math.nan])
def test_parts_that_cannot_be_drawn_are_refused(probability: float) -> None:
    with pytest.raises(UndefinedFigure, match=r"stratum 'a': parts drawn with probability .*more than 0 and at most 1"):
        AuditedStratum("a", probability, 10, 1, 1, 0)


@pytest.mark.parametrize("counts", [(10, 11, 5, 1), (10, 5, 6, 1), (10, 5, 5, 6), (10, 5, 5, -1)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(UndefinedFigure, match="escapes <= labelled <= drawn <= parts"):
        AuditedStratum("a", 0.5, *counts)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 2.0])
def test_a_confidence_outside_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and less than 1"):
        estimate_escapes([NEAR], confidence)
