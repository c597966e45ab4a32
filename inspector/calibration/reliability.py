"""How far probabilities can be trusted: reliability bins, ECE, Brier score and log loss with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.calibration.checks import require_labelled, require_same_length
from inspector.calibration.folds import group_numbers
from inspector.errors import CalibrationUndefined

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
BINS = 15
DRAWS = 1000
CONFIDENCE = 0.95
LEAST = 1e-12
"""A probability of 0 or 1 counts as this far from it, so that one wrong part does not make the log loss infinite."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Parts of like probability: what was said of them on average, and how many of them were defective."""

    said: float
    n: int
    n_defect: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its bootstrap interval at 95 %."""

    value: float
    low: float
    high: float

    def text(self) -> str:
        """Return e.g. `0.0123 (95 %: 0.0040 to 0.0310)`."""
        return f"{self.value:.4f} ({100 * CONFIDENCE:g} %: {self.low:.4f} to {self.high:.4f})"

    def fields(self) -> dict[str, float]:
        """Return it for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Reliability:
    """Figures of N defect probabilities against the truth."""

    n: int
    n_defect: int
    n_groups: int
    ece: Interval
    brier: Interval
    log_loss: Interval
    bins: tuple[Bin, ...]

    def fields(self) -> dict[str, object]:
        """Return them for JSON."""
        return {
            "n": self.n,
            "n_defect": self.n_defect,
            "n_groups": self.n_groups,
            "confidence": CONFIDENCE,
            "ece": self.ece.fields(),
            "brier": self.brier.fields(),
            "log_loss": self.log_loss.fields(),
            "bins": [{"said": one.said, "n": one.n, "n_defect": one.n_defect} for one in self.bins],
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return named figures for a table."""
        of = f"of the defect probability, {self.n} parts in {self.n_groups} groups"
        return [
            (f"ECE {of}, {BINS} equal-mass bins", self.ece.text()),
            ("Brier score of the defect probability", self.brier.text()),
            ("log loss of the defect probability", self.log_loss.text()),
            ("reliability, mean probability: defective parts", self.diagram()),
        ]

    def diagram(self) -> str:
        """Return the reliability diagram in words, bin by bin, e.g. `0.012: 0 of 15; 0.034: 1 of 15; ...`."""
        return "; ".join(f"{one.said:.3f}: {one.n_defect} of {one.n}" for one in self.bins)


def reliability(
    said: Floats, is_defect: Mask, groups: Sequence[str] | None = None, draws: int = DRAWS, seed: int = 0
) -> Reliability:
    """Return the figures of defect probabilities (N,); whole groups are drawn for the intervals where they are given.

    Raises:
        CalibrationUndefined: numbers that are no probabilities, one kind of part, unequal lengths.
    """
    said = np.asarray(said, np.float64)
    _require_probabilities(said, is_defect)
    if groups is not None:
        require_same_length(len(said), groups=len(groups))
    numbers = group_numbers(groups, len(said))
    samples = list(resamples(numbers, draws, seed))
    ece, brier, loss = (_interval(figure, said, is_defect, samples) for figure in (binned_ece, brier_score, log_loss))
    n_defect, n_groups = int(is_defect.sum()), len(np.unique(numbers))
    return Reliability(len(said), n_defect, n_groups, ece, brier, loss, bins(said, is_defect))


def bins(said: Floats, is_defect: Mask, count: int = BINS) -> tuple[Bin, ...]:
    """Cut probabilities (N,) in order into `count` bins whose sizes differ by one at most; fewer parts, fewer bins."""
    order = np.argsort(said, kind="stable")
    cuts = np.array_split(order, min(count, len(order)))
    return tuple(Bin(float(said[cut].mean()), len(cut), int(is_defect[cut].sum())) for cut in cuts)


def binned_ece(said: Floats, is_defect: Mask) -> float:
    """Expected calibration error of probabilities (N,): mean over parts of their bin's |share defective - said|.

    Equal-mass bins (Nguyen and O'Connor 2015). Where probabilities are equal across a bin's edge, each such part counts
    as the share of its equals that is defective, so that neither the order of the parts nor their truth decides.
    """
    _, place = np.unique(said, return_inverse=True)
    truth = (np.bincount(place, is_defect) / np.bincount(place))[place]
    order = np.argsort(said, kind="stable")
    count, n = min(BINS, len(order)), len(order)
    sizes = np.full(count, n // count) + (np.arange(count) < n % count)
    gaps = np.add.reduceat((truth - said)[order], np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    return float(np.abs(gaps).sum() / n)


def brier_score(said: Floats, is_defect: Mask) -> float:
    """Mean squared difference of probability (N,) and truth (Brier 1950), 0 to 1."""
    return float(np.mean((said - is_defect) ** 2))


def log_loss(said: Floats, is_defect: Mask) -> float:
    """Mean of minus the logarithm of the probability of what was true, nats."""
    return float(part_losses(said, is_defect).mean())


def part_losses(said: Floats, is_defect: Mask) -> Floats:
    """Return (N,) minus the logarithm of the probability of what was true, nats."""
    true = np.where(is_defect, said, 1 - said)
    return np.asarray(-np.log(np.clip(true, LEAST, 1)))


def resamples(groups: NDArray[np.int64], draws: int, seed: int) -> list[NDArray[np.int64]]:
    """Return `draws` sets of positions: as many whole groups as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]) for _ in range(draws)]


def _interval(
    figure: Callable[[Floats, Mask], float], said: Floats, is_defect: Mask, samples: Sequence[NDArray[np.int64]]
) -> Interval:
    """The basic bootstrap (Davison and Hinkley 1997, 5.2): quantiles mirrored at the figure, not below 0.

    A resampled ECE is above the ECE of the sample by about as much as that is above the truth; mirroring takes this off
    where plain percentiles would add it again.
    """
    value = figure(said, is_defect)
    drawn = [figure(said[sample], is_defect[sample]) for sample in samples]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, max(0.0, float(2 * value - high)), max(0.0, float(2 * value - low)))


def _require_probabilities(said: Floats, is_defect: Mask) -> None:
    require_labelled(said, is_defect)
    if (outside := np.flatnonzero((said < 0) | (said > 1))).size:
        raise CalibrationUndefined(
            f"calibration: probabilities: expected 0 to 1, got {float(said[outside[0]]):g} at position {outside[0]}"
        )
