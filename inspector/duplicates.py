"""Pictures that show the same thing twice: near-duplicates, which must not lie in two splits.

Hashes of 64 bits do not serve here: pictures of one camera all look alike. On five real sets, by groups known to be
different parts, a dHash within 4 bits joins 3,065 pairs of steel and 19,940 of spindles wrongly. The fingerprint used
instead is what is left of a small picture once its shading, the mean picture of the set and the set's four main ways
to vary are taken away, compared by correlation. At 0.9 it joins 1 pair of 1.0 million of steel, 5 of 34,000 of spindles
(one fixture), none of boards, cookies and tiles, and finds 0.75 to 1.0 of copies that were encoded again, brightened
and shifted by 0.5 % (0.13 of the spindles, where little but the fixture is to be seen at that size).
Overlapping crops and turned or mirrored copies are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnreadableImage
from inspector.preprocess import read_image, resize
from inspector.values import Image

SIDE = 32
SHADING_PX = 2.0
"""Blur of what is taken away as shading, px of the small picture."""
MAIN_WAYS = 4
PICTURES_PER_WAY = 25
"""A set of fewer pictures than this for each main way is too small to tell a way to vary from a picture."""
NEAR = 0.9
FLAT = 0.5
"""Grey levels: a picture that varies less has no fingerprint and resembles none."""
BLOCK = 2048

Fingerprints = NDArray[np.float32]
"""(N, 1024), unit length; zero for pictures without texture."""


def small_picture(image: Image) -> NDArray[np.float32]:
    """Return what a fingerprint is made of: (1024,) float32 of mean 0, of unit variance unless the picture is flat."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8) if image.ndim == 3 else image
    small = resize(grey, SIDE, SIDE).astype(np.float32)
    texture = (small - cv2.GaussianBlur(small, (0, 0), SHADING_PX)).ravel()
    texture -= texture.mean()
    spread = float(texture.std())
    return np.asarray(texture / spread if spread > FLAT else np.zeros_like(texture), dtype=np.float32)


def small_pictures(paths: Sequence[Path], progress: Callable[[int], None] = lambda _: None) -> NDArray[np.float32]:
    """Read pictures; (N, 1024). One that cannot be read resembles nothing: whoever needs it will say so."""
    small = np.zeros((len(paths), SIDE * SIDE), np.float32)
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="small-pictures") as pool:
        for number, row in enumerate(pool.map(_small_picture_in, paths)):
            small[number] = row
            progress(number + 1)
    return small


def _small_picture_in(path: Path) -> NDArray[np.float32]:
    try:
        return small_picture(read_image(path))
    except UnreadableImage:
        return np.zeros(SIDE * SIDE, np.float32)


def fingerprints(small: NDArray[np.float32]) -> Fingerprints:
    """Take from small pictures (N, 1024), or features (N, F) of another kind, what the set has in common."""
    textured = small.any(axis=1)
    prints = np.zeros_like(small)
    if int(textured.sum()) < 2:
        return prints
    own = small[textured] - (small[textured].mean(axis=0) if int(textured.sum()) > 2 else 0)
    ways = min(MAIN_WAYS, len(own) // PICTURES_PER_WAY)
    if ways:
        main = _main_axes(own, ways)
        own = own - (own @ main) @ main.T
    prints[textured] = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    return prints


def _main_axes(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the directions (F, count) in which rows (N, F) vary most, from the smaller of the two products."""
    if len(rows) >= rows.shape[1]:
        return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, -count:])
    across = rows.T @ np.linalg.eigh(rows @ rows.T)[1][:, -count:]
    return np.asarray(across / np.maximum(np.linalg.norm(across, axis=0), 1e-6))


def near_pairs(prints: Fingerprints, least: float = NEAR) -> Iterator[tuple[int, int, float]]:
    """Yield positions i < j of pictures whose fingerprints correlate by at least `least`, and by how much."""
    for start in range(0, len(prints), BLOCK):
        for other in range(start, len(prints), BLOCK):
            likeness = prints[start : start + BLOCK] @ prints[other : other + BLOCK].T
            for i, j in np.argwhere(likeness >= least):
                if start + i < other + j:
                    yield int(start + i), int(other + j), float(min(likeness[i, j], 1.0))


def joined(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of `count` positions the first position that pairs lead to, directly or by way of others."""
    first = list(range(count))

    def root(position: int) -> int:
        while first[position] != position:
            first[position] = first[first[position]]
            position = first[position]
        return position

    for i, j in pairs:
        low, high = sorted((root(i), root(j)))
        first[high] = low
    return [root(position) for position in range(count)]
