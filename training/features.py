"""What a kept network makes of pictures: computed once, and kept by the picture's hash where there is a folder for it.

Each picture is seen as it is and in a few varied views. How it is varied is drawn from its own hash, so that a picture
that comes again, in whatever snapshot, needs no second look.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspector.errors import DatasetError
from training.augment import Batch, augment
from training.graph import StationGraph
from training.heads import Network
from training.pictures import Pictures
from training.recipe import AugmentRecipe
from training.texture import statistics

VARIED = 4
"""Varied views of a picture beside itself."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Of N pictures in V views each, the picture as it is first."""

    pooled: Floats
    """(N, V, F): what the last layer reads."""
    peaks: Floats
    """(N, V, C): what the defect map adds to each class's logit."""
    textures: Floats
    """(N, T): statistics of the picture as it is, for the open-set guard."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How pictures are looked at, and where what was seen is kept."""

    key: str
    """Of the network that looks: `training.parent.Parent.features_key`."""
    varied: int
    recipe: AugmentRecipe
    folder: Path | None = None

    def place(self, picture: str) -> Path | None:
        """Return the file of a picture by its hash."""
        words = f"{self.key} {self.varied} {self.recipe.model_dump_json()}"
        named = hashlib.sha256(words.encode()).hexdigest()[:16]
        return None if self.folder is None else self.folder / named / f"{picture}.npz"


def look(graph: StationGraph, pictures: Pictures, looking: Looking) -> tuple[Features, int]:
    """Return the features of pictures, and how many of them were not kept from before."""
    seen, fresh = [], 0
    for image in pictures.images:
        picture = hashlib.sha256(image.numpy().tobytes()).hexdigest()
        path = looking.place(picture)
        if path is None or (found := _kept(path)) is None:
            found, fresh = _seen(graph, image, int(picture[:15], 16), looking), fresh + 1
            _keep(path, found)
        seen.append(found)
    pooled, cells, textures = (np.stack([one[part] for one in seen]) for part in range(3))
    return Features(pooled, _on_classes(graph, cells), textures), fresh


@torch.no_grad()
def _seen(graph: StationGraph, image: Tensor, seed: int, looking: Looking) -> tuple[Floats, Floats, Floats]:
    """Pooled features (V, F), the map's strongest cells (V, K) and textures (T,) of one picture (3, H, W)."""
    network = _network(graph)
    alone = image[None].float()
    unmasked = Batch(alone, torch.zeros_like(alone[:, :1]), torch.zeros(1), torch.zeros(1))
    rng = np.random.default_rng(seed)
    views = torch.cat([alone, *(augment(unmasked, looking.recipe, rng).images for _ in range(looking.varied))])
    taps, pooled = network.backbone(graph.normalise(views).contiguous(memory_format=torch.channels_last))
    cells = pooled[:, :0] if network.map is None else network.map(taps).amax((2, 3))
    return pooled.numpy(), cells.numpy(), statistics([tap[:1] for tap in taps])[0].numpy()


@torch.no_grad()
def _on_classes(graph: StationGraph, cells: Floats) -> Floats:
    """(N, V, K) strongest cells to (N, V, C) of what they add to the classes' logits."""
    network = _network(graph)
    peaks = torch.from_numpy(cells) * network.peak_slope + network.peak_bias
    return np.asarray((peaks @ network.place).numpy())


def _network(graph: StationGraph) -> Network:
    if not isinstance(graph.network, Network):
        raise TypeError(f"expected a classifier, got {type(graph.network).__name__}")
    return graph.network


def _kept(path: Path) -> tuple[Floats, Floats, Floats] | None:
    """Read what was seen before; a file that is not whole is as good as none."""
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            return stored["pooled"], stored["cells"], stored["textures"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _keep(path: Path | None, seen: Sequence[Floats]) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as stream:
            np.savez(stream, pooled=seen[0], cells=seen[1], textures=seen[2])
        os.replace(stream.name, path)
    except OSError as error:
        raise DatasetError(f"{path}: features cannot be kept ({error.strerror})") from error
