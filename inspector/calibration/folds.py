"""Cutting parts for cross-validation: groups stay whole, kinds are spread evenly; the same seed gives the same cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Floats = NDArray[np.float64]


def group_numbers(groups: Sequence[str] | None, n: int) -> NDArray[np.int64]:
    """Return (N,) numbers from 0 of the groups; every part is its own where none are given."""
    if groups is None:
        return np.arange(n)
    return np.asarray(np.unique(np.array(groups), return_inverse=True)[1], np.int64)


def fold_numbers(kinds: Labels, groups: Labels, folds: int, seed: int) -> NDArray[np.int64]:
    """Return (N,) fold of each part, from its kind and group number (N,).

    The largest groups choose first, those of one size in an order drawn by `seed`; each goes where its kinds are
    scarcest.
    """
    table = np.zeros((int(groups.max()) + 1, int(kinds.max()) + 1))
    np.add.at(table, (groups, kinds), 1)
    weights = table / np.maximum(table.sum(axis=0), 1)
    drawn = np.random.default_rng(seed).permutation(len(table))
    order = drawn[np.argsort(-table[drawn].sum(axis=1), kind="stable")]
    held, fold_of = np.zeros((folds, table.shape[1])), np.zeros(len(table), np.int64)
    for group in order.tolist():
        fold_of[group] = int(np.argmin(held @ (weights[group] > 0) + 1e-9 * held.sum(axis=1)))
        held[fold_of[group]] += weights[group]
    return np.asarray(fold_of[groups])


def groups_of_kind(kinds: Labels, groups: Labels, kind: int) -> int:
    """Return how many groups hold a part of this kind."""
    return len(np.unique(groups[kinds == kind]))


def beats(candidate: Floats, best: Floats, groups: Labels) -> bool:
    """Is the loss (N,) of `candidate` lower than that of `best` by more than one standard error?

    Breiman et al. 1984 choose the simplest within one standard error; here it is that of the paired difference, with
    the parts of a group taken as one draw.
    """
    gain = best - candidate
    mean = float(gain.mean())
    by_group = np.bincount(groups, gain - mean)
    n_groups = len(by_group)
    error = float(np.sqrt(np.sum(by_group**2) * n_groups / (n_groups - 1))) / len(gain)
    return mean > error
