"""Pictures as the station would see them, each with its place in its frame."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Tiles
from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec, Placement, Roi, placement, preprocess, read_image
from inspector.tiling import merge, windows
from inspector.values import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Viewed:
    """The pictures of one part of the data set, in the order of its samples."""

    samples: tuple[Sample, ...]
    images: NDArray[np.uint8]
    """(N, H, W, 3) BGR, or (N, H, W, 6) with the golden template behind the picture."""
    placements: tuple[Placement, ...]
    """Of each picture."""
    tiles: tuple[tuple[Roi, ...], ...] = ()
    """Where frames are cut: the tiles of each sample's frame. `images` are then all tiles of all samples in a row."""

    def __len__(self) -> int:
        return len(self.samples)

    def pictures(self, index: int) -> NDArray[np.uint8]:
        """All pictures of a sample, (1, H, W, 3k), or (T, H, W, 3k) of T tiles."""
        return self.images[self._rows(index)]

    def places(self, index: int) -> tuple[Placement, ...]:
        """Where they lie in the frame."""
        return self.placements[self._rows(index)]

    def frames(self) -> tuple[Placement, ...]:
        """Of each sample: where its picture lies, or its whole frame where that is cut in tiles."""
        if not self.tiles:
            return self.placements
        firsts = [self.places(index)[0] for index in range(len(self))]
        return tuple(Placement(one.frame_width, one.frame_height, 0, 0, 1, 1) for one in firsts)

    def merged(self, index: int, predictions: Sequence[Prediction]) -> Prediction:
        """One prediction of the sample from those of its pictures."""
        return merge(predictions, self.tiles[index]) if self.tiles else predictions[0]

    def stored(self, index: int, good: Sequence[str]) -> NDArray[np.uint8]:
        """What a golden sample keeps: the picture, or the whole frame where the station cuts it in tiles."""
        if not self.tiles:
            return np.asarray(self.images[index])
        sample = self.samples[index]
        frame = read_image(sample.path)
        if self.images.shape[3] == 3:
            return frame
        return np.concatenate([frame, read_image(template_path(sample, good))], axis=2)

    def _rows(self, index: int) -> slice:
        if not self.tiles:
            return slice(index, index + 1)
        before = sum(len(tiles) for tiles in self.tiles[:index])
        return slice(before, before + len(self.tiles[index]))

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(sample.group for sample in self.samples)

    def is_defect(self, good: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) truth."""
        return np.array([sample.label not in good for sample in self.samples], dtype=bool)


def view(samples: Sequence[Sample], spec: InputSpec, good: Sequence[str] = (), *, template: bool = False) -> Viewed:
    """Read and preprocess; a good part without a golden template is its own. Raises UnreadableImage, DatasetError."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="view") as pool:
        looks = list(pool.map(lambda sample: _look(sample, spec, good, template=template), samples))
    return Viewed(tuple(samples), np.stack([image for image, _ in looks]), tuple(place for _, place in looks))


def view_tiles(
    samples: Sequence[Sample], spec: InputSpec, tiles: Tiles, good: Sequence[str] = (), *, template: bool = False
) -> Viewed:
    """As `view`, frames cut as the station cuts them."""
    cuts: list[tuple[Roi, ...]] = []
    looks: list[tuple[NDArray[np.uint8], Placement]] = []
    for sample in samples:
        frame = read_image(sample.path)
        if template:
            frame = np.concatenate([frame, read_image(template_path(sample, good))], axis=2)
        cuts.append(windows(frame.shape, tiles))
        looks += [(_fitted(frame, spec, tile), placement(frame.shape, spec, tile)) for tile in cuts[-1]]
    images = np.stack([image for image, _ in looks])
    return Viewed(tuple(samples), images, tuple(place for _, place in looks), tuple(cuts))


def _fitted(frame: NDArray[np.uint8], spec: InputSpec, tile: Roi) -> NDArray[np.uint8]:
    """A tile of a frame (H, W, 3k), picture and template apart: pictures are fitted three channels at a time."""
    pictures = [preprocess(frame[:, :, i : i + 3], spec, tile) for i in range(0, frame.shape[2], 3)]
    return np.concatenate(pictures, axis=2)


def _look(
    sample: Sample, spec: InputSpec, good: Sequence[str], *, template: bool
) -> tuple[NDArray[np.uint8], Placement]:
    frame = read_image(sample.path)
    picture = preprocess(frame, spec)
    if template:
        picture = np.concatenate([picture, preprocess(read_image(template_path(sample, good)), spec)], axis=2)
    return picture, placement(frame.shape, spec)


def template_path(sample: Sample, good: Sequence[str]) -> Path:
    """Return where the sample's golden template lies; raise DatasetError where it needs one and has none."""
    if sample.template_path is None and sample.label not in good:
        raise DatasetError(f"{sample.path}: template_path: expected a golden template, which the network compares with")
    return sample.template_path or sample.path
