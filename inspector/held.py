"""Held parts as a certificate sees them: every part for what it costs, every independent thing for what it proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CertificateError
from inspector.limits import ANY, Floats, Held, Reach

Unit = Literal["group", "part"]
"""What counts once: a group of pictures that show one thing (or one piece, or one lot), or each part by itself."""
Flags = NDArray[np.bool_]
BEYOND = 2.0
"""Score of a part whose outcome no limit on a probability can change."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """N held parts, one by one."""

    pass_scores: Floats
    """(N,) a part passes when this is below `pass_below`; `BEYOND` where it never does (a rule, or a stranger)."""
    reject_scores: Floats
    """(N,) a part is rejected when this reaches `reject_above`; `BEYOND` where it always is (a rule)."""
    is_defect: Flags
    """(N,)."""
    kinds: tuple[tuple[str, ...], ...]
    """N: which defects each part has."""
    groups: tuple[str, ...]
    """N: the group of each part."""

    def __post_init__(self) -> None:
        lengths = [len(self.pass_scores), len(self.reject_scores), len(self.is_defect), len(self.kinds)]
        if lengths != [len(self.groups)] * 4:
            raise CertificateError(
                f"certificate: {lengths[0]} and {lengths[1]} scores, {lengths[2]} truths, {lengths[3]} kinds, "
                f"{len(self.groups)} groups; expected as many of each"
            )

    def __len__(self) -> int:
        return len(self.groups)

    def passed(self, limits: Reach) -> Flags:
        return np.asarray(self.pass_scores < limits.pass_below)

    def rejected(self, limits: Reach) -> Flags:
        return np.asarray(self.reject_scores >= limits.reject_above)

    def reviewed(self, limits: Reach) -> Flags:
        return ~self.passed(limits) & ~self.rejected(limits)

    def held(self, kinds: Sequence[str], unit: Unit) -> Held:
        """Return scores of independent things, of any defect and of each of `kinds`.

        A group counts once. It has escaped when any of its defective parts passes, so its score is their lowest; it is
        rejected when any of its good parts is, so that score is their highest. Parts of one group may depend on each
        other as they like.
        """
        owners = self.groups if unit == "group" else tuple(str(i) for i in range(len(self)))
        of_kind = {name: np.array([name in mine for mine in self.kinds], bool) & self.is_defect for name in kinds}
        defective = {
            name: _extreme(self.pass_scores, owners, chosen, np.minimum)
            for name, chosen in {ANY: self.is_defect, **of_kind}.items()
        }
        return Held(defective, _extreme(self.reject_scores, owners, ~self.is_defect, np.maximum))


def _extreme(scores: Floats, owners: Sequence[str], chosen: Flags, of: np.ufunc) -> Floats:
    """Least or greatest score (n,) of each owner's chosen parts; owners without one are left out."""
    names, place = np.unique(np.array(owners, dtype=np.str_)[chosen], return_inverse=True)
    start = np.inf if of is np.minimum else -np.inf
    extreme = np.full(len(names), start)
    of.at(extreme, place, scores[chosen])
    return extreme
