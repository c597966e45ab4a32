from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

from inspector.risk import Rate, binomial_cdf

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, min(n, 60)), st.just(n)))


@given(case=counts, confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.999]))
def test_the_upper_limit_is_clopper_and_pearsons(case: tuple[int, int], confidence: float) -> None:
    count, n = case
    expected = 1.0 if count == n else beta.ppf(confidence, count + 1, n - count)
    assert Rate(count, n).upper(confidence) == pytest.approx(expected, rel=1e-8)


@given(n=st.integers(1, 300), data=st.data())
def test_both_limits_agree_with_scipys_exact_interval(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    interval = binomtest(count, n).proportion_ci(confidence_level=0.90, method="exact")
    assert Rate(count, n).lower(0.95) == pytest.approx(interval.low, abs=1e-9)
    assert Rate(count, n).upper(0.95) == pytest.approx(interval.high, abs=1e-9)


@given(case=counts)
def test_the_limits_enclose_the_rate(case: tuple[int, int]) -> None:
    rate = Rate(*case)
    assert rate.lower() <= rate.value <= rate.upper()


def test_no_escape_in_299_proves_one_percent() -> None:
    assert Rate(0, 299).upper(0.95) <= 0.01 < Rate(0, 298).upper(0.95)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(0, 40), "0 of 40; at most 7.2 % (95 %)"),
        (Rate(40, 40), "40 of 40; at most 100.0 % (95 %)"),
        (Rate(1, 1000), "1 of 1000; at most 0.5 % (95 %)"),
    ],
)
def test_a_rate_is_shown_with_count_and_bound(rate: Rate, text: str) -> None:
    assert rate.text() == text


def test_the_text_names_its_confidence() -> None:
    assert Rate(0, 40).text(0.999).endswith("(99.9 %)")


@pytest.mark.parametrize(("count", "n"), [(0, 0), (1, 0), (-1, 5), (6, 5), (0, -1)])
def test_a_rate_of_no_parts_or_impossible_counts_is_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="a rate needs"):
        Rate(count, n)


@given(n=st.integers(1, 500), k=st.integers(0, 500), p=st.floats(0, 1))
def test_the_binomial_sum_is_scipys(n: int, k: int, p: float) -> None:
    assert binomial_cdf(min(k, n), n, p) == pytest.approx(binom.cdf(min(k, n), n, p), abs=1e-9)


def test_a_rate_of_a_million_parts_takes_no_longer_than_its_shorter_tail() -> None:
    rate = Rate(999_990, 1_000_000)
    assert rate.upper() == pytest.approx(beta.ppf(0.95, 999_991, 10), rel=1e-9)
    assert rate.lower() == pytest.approx(beta.ppf(0.05, 999_990, 11), rel=1e-9)


def test_certain_events_are_exact() -> None:
    assert binomial_cdf(3, 5, 0.0) == 1.0
    assert binomial_cdf(3, 5, 1.0) == 0.0
    assert binomial_cdf(5, 5, 1.0) == 1.0


@pytest.mark.parametrize("case", [(65, 300), (700, 2000), (40_000, 200_000), (1_990_000, 2_000_000)])
def test_limits_of_large_counts_are_scipys_too(case: tuple[int, int]) -> None:
    rate, (count, n) = Rate(*case), case
    assert rate.upper(0.99) == pytest.approx(beta.ppf(0.99, count + 1, n - count), rel=1e-8)
    assert rate.lower(0.99) == pytest.approx(beta.ppf(0.01, count, n - count + 1), rel=1e-8)
