"""A metric in which parts of one variant lie in a round cloud: relevant component analysis, in closed form.

Bar-Hillel, Hertz, Shental and Weinshall, "Learning a Mahalanobis metric from equivalence constraints" (JMLR 6, 2005):
whiten by the scatter within variants, so that what varies among parts of one variant counts little and everything
else counts in full, whether or not it separates the variants that were seen. That is why it holds for variants that it
never saw, where gradient descent on a contrastive loss gathers the seen ones into points and loses the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def learn_metric(
    features: Floats, labels: NDArray[np.int64], fair: Floats, dimensions: int, shrinkage: float
) -> tuple[Floats, Floats]:
    """Return weight (D, F) and bias (D,) of the map from raw features (N, F) to the whitened space.

    Features are standardised and weighted by `fair` (F,), reduced to their principal components, and whitened by the
    scatter within variants, of which `shrinkage` is a sphere (Ledoit and Wolf 2004 motivate the form). D is at most
    N - 1, F and `dimensions`.
    """
    if len(set(labels.tolist())) < 2:
        raise ValueError("a metric needs parts of at least two variants")
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = fair / np.where(spread > 0, spread, 1.0)
    components = _principal((features - centre) * scale, dimensions)
    whitening = _whitening((features - centre) * scale @ components.T, labels, shrinkage)
    weight = whitening @ components * scale
    return weight, -weight @ centre


def _principal(values: Floats, count: int) -> Floats:
    """Return the (k, F) strongest principal directions of centred (N, F), k at most `count`."""
    _, strength, directions = np.linalg.svd(values, full_matrices=False)
    real = int((strength > strength[0] * 1e-9).sum())
    return np.asarray(directions[: min(count, real)])


def _whitening(values: Floats, labels: NDArray[np.int64], shrinkage: float) -> Floats:
    """Return (k, k) that makes the scatter of (N, k) within its labels a unit sphere."""
    inner = np.concatenate([values[labels == one] - values[labels == one].mean(axis=0) for one in np.unique(labels)])
    scatter = inner.T @ inner / len(inner)
    sphere = np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    strength, directions = np.linalg.eigh((1 - shrinkage) * scatter + shrinkage * sphere)
    return np.asarray((directions / np.sqrt(strength)).T)
