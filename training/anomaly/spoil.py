"""Good pictures made strange, so that the int8 graph's ranges reach as far as strange parts do.

Ranges of good pictures alone would clip what is far from them: every defect would look alike, and near.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PATCHES = 6
"""Of flat grey or of noise, in each picture."""


def with_spoilt(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) -> (N, H, W, 3): every other picture as it is, the others with patches that no good part has."""
    rng = np.random.default_rng(seed)
    mixed = images.copy()
    for picture in mixed[1::2]:
        _spoil(picture, rng)
    return mixed


def _spoil(picture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(PATCHES):
        rows, columns = (int(rng.integers(2, max(3, side // 4))) for side in (height, width))
        top, left = int(rng.integers(0, height - rows)), int(rng.integers(0, width - columns))
        grey = rng.integers(0, 256, 3) if rng.random() < 0.5 else rng.integers(0, 256, (rows, columns, 3))
        picture[top : top + rows, left : left + columns] = grey
