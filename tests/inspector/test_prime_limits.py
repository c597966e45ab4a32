from __future__ import annotations

import numpy as np
import pytest

from inspector.charts import fit_chart
from inspector.errors import UndefinedFigure
from inspector.prime_limits import prime_limits
from inspector.risk import Rate

COUNTS = (31, 44, 29, 52, 38, 61, 35, 47, 40, 55)
SIZES = (900, 1210, 1005, 1100, 980, 1190, 1010, 1300, 870, 1150)


def test_limits_are_those_of_the_published_formula() -> None:
    counts, sizes = np.array(COUNTS, float), np.array(SIZES, float)
    centre = counts.sum() / sizes.sum()
    binomial = np.sqrt(centre * (1 - centre) / sizes)
    sigma_z = np.abs(np.diff((counts / sizes - centre) / binomial)).mean() / 1.128
    limits = prime_limits([Rate(count, n) for count, n in zip(COUNTS, SIZES, strict=True)])
    for n, deviation in zip(SIZES, binomial, strict=True):
        expected = (centre - 3 * deviation * sigma_z, centre + 3 * deviation * sigma_z)
        assert limits.of(n) == pytest.approx(expected, rel=1e-12)
    assert limits.provisional


def test_subgroups_of_one_size_have_the_drift_watchs_sigma() -> None:
    chart = fit_chart(COUNTS, 1000, 1e-6)
    _, high = prime_limits([Rate(count, 1000) for count in COUNTS]).of(1000)
    assert (high - chart.centre) / 3 == pytest.approx(chart.sigma, rel=1e-12)


def test_a_rate_beyond_the_limits_is_told_and_a_small_subgroup_has_wider_ones() -> None:
    limits = prime_limits([Rate(count, 1000) for count in COUNTS])
    assert limits.beyond(Rate(120, 1000))
    assert not limits.beyond(Rate(6, 50))
    assert not limits.beyond(Rate(45, 1000))
    assert limits.of(10)[0] == 0.0


@pytest.mark.parametrize("reference", [[], [Rate(1, 9)], [Rate(0, 9), Rate(0, 5)], [Rate(9, 9), Rate(5, 5)]])
def test_too_little_defines_no_limits(reference: list[Rate]) -> None:
    with pytest.raises(UndefinedFigure, match="p' chart"):
        prime_limits(reference)
