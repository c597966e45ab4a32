"""Would more labels help? Error against the number of labelled groups, and the power law through it.

The parent's features are kept and a last layer is fitted to ever more of the groups (`training.fast`), so a curve costs
seconds. Error falls with the number of labels as a power of it (Hestness et al., "Deep learning scaling is predictable,
empirically", 2017); the fit says what twice as many would bring, if the line goes on as it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inspector.errors import UndefinedFigure
from inspector.risk import Rate

SHARES = (0.125, 0.25, 0.5, 1.0)
LEAST_GAIN = 0.1
"""Share of its errors that twice as many labels must save for more labels to be worth asking for."""


@dataclass(frozen=True, slots=True)
class Point:
    """A last layer of so many groups, on parts it was not fitted to."""

    groups: int
    wrong: Rate
    """Parts of another class than the most probable one."""


@dataclass(frozen=True, slots=True)
class Curve:
    """wrong = scale * groups ** -power."""

    points: tuple[Point, ...]
    scale: float
    power: float

    def expected(self, groups: int) -> float:
        """Return the share that is expected to be wrong with so many groups."""
        return float(min(1.0, self.scale * groups**-self.power))

    @property
    def more_help(self) -> bool:
        last = self.points[-1].groups
        return self.expected(2 * last) < (1 - LEAST_GAIN) * self.expected(last)

    def lines(self) -> list[str]:
        """Return the curve, and what twice as many labels are expected to bring."""
        last = self.points[-1].groups
        now, then = (100 * self.expected(groups) for groups in (last, 2 * last))
        said = f"fitted: {now:.1f} % wrong with {last} groups, {then:.1f} % with {2 * last}"
        advice = "more labels are expected to help" if self.more_help else "more of the same labels would hardly help"
        return [
            *(f"learning curve: {one.groups} groups: wrong class {one.wrong.text()}" for one in self.points),
            f"learning curve, {said}; {advice}",
        ]


def fit_curve(points: Sequence[Point]) -> Curve:
    """Fit the power law by least squares in logarithms, each point weighed by the errors that it saw.

    Half an error is added to each, so that a point without any has a logarithm. Error does not grow with labels: where
    it seems to, the curve is flat.

    Raises:
        UndefinedFigure: fewer than two different numbers of groups.
    """
    if len({point.groups for point in points}) < 2:
        raise UndefinedFigure("learning curve: expected points of at least two different numbers of groups")
    x = np.log([point.groups for point in points])
    seen = np.array([point.wrong.count + 0.5 for point in points])
    y = np.log(seen / [point.wrong.n + 1 for point in points])
    slope, height = np.polyfit(x, y, 1, w=np.sqrt(seen))
    if slope >= 0:
        slope, height = 0.0, np.average(y, weights=seen)
    return Curve(tuple(points), float(np.exp(height)), float(-slope))
