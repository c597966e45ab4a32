from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control import BinaryClassificationController, false_positive_rate, recall
from scipy.stats import beta, binom
from statsmodels.stats.proportion import proportion_confint

from inspector.errors import CertificateError
from inspector.limits import (
    ANY,
    GOOD,
    CertificateRefused,
    Claim,
    Held,
    Reach,
    allow,
    certified_reach,
    misses_at,
    pass_limit,
    reject_limit,
    require_sound,
)
from inspector.risk import parts_needed, refuting

ERROR = 0.05
shares = st.floats(0.001, 0.5)
tied = st.lists(st.integers(0, 12).map(lambda step: step / 12), min_size=5, max_size=60)


def held(defective: list[float], good: list[float], **kinds: list[float]) -> Held:
    named = {name: np.array(scores, np.float64) for name, scores in kinds.items()}
    return Held({ANY: np.array(defective, np.float64), **named}, np.array(good, np.float64))


@given(n=st.integers(1, 4000), bound=shares, error=st.sampled_from([0.001, 0.05, 0.2, 0.5]))
def test_the_misses_that_refute_a_bound_are_scipys_binomial_quantile(n: int, bound: float, error: float) -> None:
    tail = refuting(n, bound, error)
    assert tail == pytest.approx(binom.cdf(np.arange(tail.size), n, bound), rel=1e-8)
    assert tail.size == 0 or tail[-1] <= error
    assert binom.cdf(tail.size, n, bound) > error * (1 - 1e-9)


@given(n=st.integers(2, 500), bound=st.floats(0.01, 0.5))
def test_allowed_misses_are_those_whose_clopper_pearson_limit_keeps_the_bound(n: int, bound: float) -> None:
    allowed = refuting(n, bound, ERROR).size
    limits = [proportion_confint(k, n, alpha=2 * ERROR, method="beta")[1] for k in range(min(n, allowed + 1))]
    assert all(limit <= bound * (1 + 1e-9) for limit in limits[:allowed])
    assert all(limit > bound * (1 - 1e-9) for limit in limits[allowed:])


@pytest.mark.parametrize(
    ("misses", "bound", "error", "needed"), [(0, 0.01, 0.05, 299), (1, 0.01, 0.05, 473), (0, 0.05, 0.05, 59)]
)
def test_the_parts_needed_are_those_of_the_tables(misses: int, bound: float, error: float, needed: int) -> None:
    assert parts_needed(misses, bound, error) == needed


@given(misses=st.integers(0, 30), bound=shares, error=st.sampled_from([0.01, 0.05, 0.1]))
def test_one_part_fewer_than_needed_does_not_do(misses: int, bound: float, error: float) -> None:
    needed = parts_needed(misses, bound, error)
    assert binom.cdf(misses, needed, bound) <= error * (1 + 1e-9)
    assert binom.cdf(misses, needed - 1, bound) > error * (1 - 1e-9)


@pytest.mark.parametrize(("bound", "error"), [(0.0, 0.05), (1.0, 0.05), (0.1, 0.0), (0.1, 0.6)])
def test_bounds_that_cannot_be_refuted_are_an_error(bound: float, error: float) -> None:
    with pytest.raises(ValueError, match="an error between 0 and 0"):
        refuting(10, bound, error)
    with pytest.raises(ValueError, match="an error between 0 and 0"):
        parts_needed(0, bound, error)


@given(scores=tied, misses=st.integers(0, 4))
def test_no_more_than_the_allowed_pass_and_one_step_further_would_be_more(scores: list[float], misses: int) -> None:
    values = np.array(scores)
    limit = pass_limit(values, misses)
    assert (values < limit).sum() <= misses
    if limit < 1:
        assert (values < math.nextafter(limit, 2)).sum() > misses


@given(scores=tied, misses=st.integers(0, 4))
def test_no_more_than_the_allowed_are_rejected_and_a_step_lower_would_be_more(scores: list[float], misses: int) -> None:
    values = np.array(scores)
    limit = reject_limit(values, misses)
    assert (values >= limit).sum() <= misses
    assert (values >= math.nextafter(limit, -1)).sum() > misses


def test_scores_beyond_every_limit_leave_the_pass_limit_at_one() -> None:
    assert pass_limit(np.array([2.0, 2.0, 0.3]), 1) == 1.0


@given(scores=tied, misses=st.integers(0, 3), slope=st.floats(0.1, 9), steps=st.integers(1, 8))
def test_a_map_that_never_falls_moves_no_part_to_the_wrong_side(
    scores: list[float], misses: int, slope: float, steps: int
) -> None:
    """Fitted on the very same parts, or with plateaus: what passes after the map passed before it too."""
    raw = np.array(scores)
    mapped = np.floor(steps / (1 + np.exp(-slope * (raw - 0.5)))) / steps
    passes = mapped < pass_limit(mapped, misses)
    assert not (passes & ~(raw < pass_limit(raw, misses))).any()
    rejected = mapped >= reject_limit(mapped, misses)
    assert not (rejected & ~(raw >= reject_limit(raw, misses))).any()


@given(
    defective=st.lists(st.floats(0, 1), min_size=80, max_size=80),
    good=st.lists(st.floats(0, 1), min_size=80, max_size=80),
    bounds=st.tuples(st.floats(0.06, 0.4), st.floats(0.06, 0.4)),
)
def test_a_tighter_claim_never_allows_more_escapes(
    defective: list[float], good: list[float], bounds: tuple[float, float]
) -> None:
    tight, loose = sorted(bounds)
    narrow, wide = (allow({ANY: 80}, 4000, Claim(escape=escape, overkill=0.2)) for escape in (tight, loose))
    assert narrow.escapes[ANY] <= wide.escapes[ANY] + 1  # The error is shared anew: one miss may move to the other.
    parts = held(defective, good)
    limits = [Reach(limit, 1.0) for limit in sorted((tight, loose))]
    assert misses_at(parts, limits[0])[ANY] <= misses_at(parts, limits[1])[ANY]


@given(n=st.integers(60, 3000), good=st.integers(60, 3000), bound=st.floats(0.06, 0.4), overkill=st.floats(0.06, 0.4))
def test_the_shares_of_the_error_never_exceed_it(n: int, good: int, bound: float, overkill: float) -> None:
    allowance = allow({ANY: n}, good, Claim(escape=bound, overkill=overkill))
    spent = binom.cdf(allowance.escapes[ANY], n, bound) + binom.cdf(allowance.overkills, good, overkill)
    assert spent <= ERROR * (1 + 1e-9)
    assert allowance.escape_error + allowance.overkill_error == pytest.approx(spent, rel=1e-9)


@given(n=st.integers(30, 400), good=st.integers(30, 400), bound=st.floats(0.05, 0.4), overkill=st.floats(0.05, 0.4))
def test_the_allowance_is_the_best_of_all_pairs_that_keep_the_error(
    n: int, good: int, bound: float, overkill: float
) -> None:
    escapes, overkills = np.arange(n + 1), np.arange(good + 1)
    spent = binom.cdf(escapes, n, bound)[:, None] + binom.cdf(overkills, good, overkill)[None, :]
    used = escapes[:, None] / (n * bound) + overkills[None, :] / (good * overkill)
    best = used[spent <= ERROR].max() if (spent <= ERROR).any() else None
    if best is None:
        with pytest.raises(CertificateRefused):
            allow({ANY: n}, good, Claim(escape=bound, overkill=overkill))
        return
    found = allow({ANY: n}, good, Claim(escape=bound, overkill=overkill))
    assert found.escapes[ANY] / (n * bound) + found.overkills / (good * overkill) == pytest.approx(best)


def test_several_kinds_share_one_walk_without_a_correction() -> None:
    """299 of each kind without a miss prove 1 % of each: the first limit that is too bad for any kind is one limit."""
    claim = Claim(escape=0.01, overkill=0.05, kinds={"crack": 0.01, "dent": 0.02})
    allowance = allow({ANY: 598, "crack": 299, "dent": 299}, 4000, claim)
    assert allowance.escapes["crack"] == 0
    assert allowance.escape_error == pytest.approx(0.99**299)
    assert binom.cdf(allowance.escapes["dent"], 299, 0.02) <= allowance.escape_error


def test_the_lowest_limit_of_all_kinds_is_the_limit() -> None:
    rng = np.random.default_rng(0)
    cracks, dents = rng.uniform(0.3, 1, 100), rng.uniform(0.6, 1, 100)
    claim = Claim(escape=0.1, overkill=0.1, kinds={"crack": 0.1, "dent": 0.1})
    parts = held([*cracks, *dents], rng.uniform(0, 0.2, 200).tolist(), crack=cracks.tolist(), dent=dents.tolist())
    reach, allowance = certified_reach(parts, claim)
    limits = [np.sort(parts.defective[name])[allowed] for name, allowed in allowance.escapes.items()]
    assert reach.pass_below == min(limits)


def test_299_without_a_miss_and_150_good_parts_prove_one_percent_of_both_at_once() -> None:
    defective = np.linspace(0.5, 1, 299).tolist()
    reach, allowance = certified_reach(held(defective, np.linspace(0, 0.4, 150).tolist()), Claim())
    assert (allowance.escapes[ANY], allowance.overkills) == (0, 0)
    assert reach == Reach(0.5, math.nextafter(0.4, 1))
    with pytest.raises(CertificateRefused, match=r"300 without a miss needed \(1 more\)"):
        certified_reach(held(defective, np.linspace(0, 0.4, 149).tolist()), Claim())


def test_a_refusal_says_how_many_more_without_a_miss_and_with_those_seen() -> None:
    scores = [0.05, *np.linspace(0.5, 1, 137)]
    with pytest.raises(CertificateRefused) as refusal:
        certified_reach(held(scores, [0.1] * 500), Claim(), used=Reach(0.2, 0.9))
    assert str(refusal.value) == (
        "certificate refused: 138 held (any defect), 299 without a miss needed (161 more), 473 with the 1 missed at "
        "the limits in use (335 more), to prove at most 1 % of any defect passed"
    )
    (short,) = refusal.value.shortages
    assert (short.name, short.n, short.needed, short.misses, short.needed_with_misses) == (ANY, 138, 299, 1, 473)


def test_a_refusal_names_every_rate_that_is_short() -> None:
    with pytest.raises(CertificateRefused) as refusal:
        certified_reach(held([0.9] * 10, [0.1] * 10), Claim())
    assert [short.name for short in refusal.value.shortages] == [ANY, GOOD]
    assert "good rejected" in str(refusal.value)
    assert "missed" not in str(refusal.value)


@pytest.mark.parametrize(("defective", "good", "scarce"), [(299, 149, ANY), (300, 59, GOOD), (320, 60, GOOD)])
def test_where_both_cannot_be_afforded_at_once_the_shorter_way_is_asked_for(
    defective: int, good: int, scarce: str
) -> None:
    with pytest.raises(CertificateRefused) as refusal:
        allow({ANY: defective}, good, Claim())
    (short,) = refusal.value.shortages
    assert short.name == scarce
    counts = {ANY: defective, GOOD: good} | {scarce: short.needed}
    assert allow({ANY: counts[ANY]}, counts[GOOD], Claim())
    counts[scarce] -= 1
    with pytest.raises(CertificateRefused):
        allow({ANY: counts[ANY]}, counts[GOOD], Claim())


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        (held([], [0.1]), "no defective (any defect) part"),
        (held([0.1], []), "no good part"),
        (held([0.1], [0.2], crack=[]), "no defective (crack) part"),
        (held([math.nan], [0.2]), "not a number"),
        (held([0.5], [0.2, math.nan]), "not a number"),
        (held([math.inf], [0.2]), "infinite"),
        (held([0.5], [-math.inf]), "infinite"),
        (held([0.5, 0.5], [0.5]), "all scores are 0.5"),
        (Held({ANY: np.zeros((2, 2))}, np.zeros(3)), "no defective (any defect) part"),
    ],
)
def test_what_defines_no_rate_is_refused_by_its_own_name(parts: Held, fault: str) -> None:
    with pytest.raises(CertificateError) as refusal:
        require_sound(parts)
    assert fault in str(refusal.value)


def mapies_limit(
    scores: np.ndarray, is_defect: np.ndarray, risk: object, target: float, grid: np.ndarray
) -> np.ndarray:
    controller = BinaryClassificationController(
        predict_function=lambda x: np.stack([1 - x[:, 0], x[:, 0]], axis=1),
        risk=risk,
        target_level=target,
        confidence_level=1 - ERROR,
        list_predict_params=grid,
        fwer_method="fixed_sequence",
    )
    controller.calibrate(scores[:, None], is_defect.astype(int))
    return np.asarray(controller.valid_predict_params)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("decimals", [2, 12])
def test_the_limits_are_mapies(seed: int, decimals: int) -> None:
    """Same p-values, same walk. 512 of each kind: MAPIE rounds count / n up, which is exact for a power of two."""
    rng = np.random.default_rng(seed)
    is_defect = np.repeat([True, False], 512)
    scores = np.round(1 / (1 + np.exp(-rng.normal(np.where(is_defect, 1.5, -1.5)))), decimals)
    grid = np.unique(scores[(scores > 0) & (scores < 1)])
    bad, good = scores[is_defect], scores[~is_defect]

    mine = pass_limit(bad, refuting(512, 0.05, ERROR).size - 1)
    assert mapies_limit(scores, is_defect, recall, 0.95, grid).max() == mine

    mine = reject_limit(good, refuting(512, 0.05, ERROR).size - 1)
    theirs = mapies_limit(scores, is_defect, false_positive_rate, 0.05, grid[::-1]).min()
    assert theirs == grid[grid >= mine].min()


@pytest.mark.parametrize(("n", "allowed"), [(100, 0), (100, 2), (2000, 10)])
def test_the_true_rate_at_the_limit_is_a_beta_variable_whose_quantile_is_the_bound(n: int, allowed: int) -> None:
    """Wilks: of continuous scores the share below the order statistic k + 1 is Beta(k + 1, n - k)."""
    rng = np.random.default_rng(1)
    rates = [pass_limit(rng.random(n), allowed) for _ in range(4000)]
    bound = float(beta.ppf(0.95, allowed + 1, n - allowed))
    assert np.mean(np.array(rates) > bound) == pytest.approx(0.05, abs=0.012)
