"""A segmenter that learns from good parts alone: what it is to find are defects drawn on them.

Where a bank of good places asks "was this seen before?", which parts that vary from tile to tile and with the light
answer badly, this network asks "does this look done to the part?". It finds what resembles something drawn
(`training.anomaly.synthetic`); what resembles nothing drawn it may miss, so its figures on real defects decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from training.anomaly.material import Material
from training.anomaly.opinions import Opinions
from training.anomaly.recipe import AnomalyRecipe, SyntheticRecipe
from training.anomaly.synthetic import Picture, draw
from training.anomaly.typical import Typical, unevenness
from training.augment import Batch, augment
from training.budget import Budget
from training.fitting import FitRun, Fitted, be_repeatable, fingerprint, fit
from training.graph import StationGraph
from training.light import LevelLight
from training.loader import SELECTION_BATCH
from training.order import Order
from training.recipe import AugmentRecipe
from training.segment.network import Segmented, Segmenter
from training.segment.objective import SegmentObjective
from training.weights import load_imagenet

GOOD, DRAWN = 0, 1
SELECTION_GROUPS = 10
"""Of so many groups, one is kept for selection."""


LAST = 2
"""Stages of the backbone, the last ones, that say what a part is like as a whole."""


class TaughtNetwork(Segmenter):
    """Normalised RGB (N, 3, H, W) -> score (N,) and map (N, H/2, W/2), both >= 0, larger is stranger.

    The score is the sum of two opinions, each in standard deviations of what it is of good parts: the part's logit, and
    how far the unevenness of its last features is from that of good parts (`training.anomaly.typical`). The first
    points at a spot, the second sees what has changed all of a surface. Until `learn_typical` it is the first.
    """

    def __init__(self, backbone: str, size: tuple[int, int], kinds: int, channels: int, frozen_stages: int = 0) -> None:
        super().__init__(backbone, size, kinds, channels, frozen_stages)
        self.light: LevelLight | None = None
        self.typical = Typical(sum(stage.channels for stage in self.backbone.shape.stages[-LAST:]))
        self.opinions = Opinions(2)

    def station(self, images: Tensor) -> tuple[Tensor, Tensor]:
        seen, both = self.said(list(self.stage_outputs(images)))
        return self.opinions(both), functional.softplus(seen.mask)

    def said(self, stages: Sequence[Tensor]) -> tuple[Segmented, Tensor]:
        """From the outputs of all stages: what the segmenter says, and both opinions (N, 2), the logit's first."""
        seen = self.said_of(stages)
        return seen, torch.stack([seen.score, self.typical(unevenness(stages[-LAST:]))], 1)

    @torch.no_grad()
    def learn_typical(self, fitted: Iterable[Tensor], held: Iterable[Tensor]) -> None:
        """Learn what is typical of good parts from batches (N, 3, H, W) that were fitted on, and how far others lie.

        Held parts say what is usual: those fitted on lie nearer to their own mean than any other will.
        """
        self.eval()
        described = [unevenness(list(self.stage_outputs(images))[-LAST:]) for images in fitted]
        self.typical.learn(torch.cat(described))
        self.opinions.learn(torch.cat([self.said(list(self.stage_outputs(images)))[1] for images in held]))


class DrawnSteps(Dataset[Batch]):
    """Step `i` of one epoch: windows of good pictures, some with defects drawn on them, all varied."""

    def __init__(self, pictures: Sequence[Picture], recipe: SyntheticRecipe, varied: AugmentRecipe, seed: int) -> None:
        self.pictures, self.recipe, self.varied, self.seed = pictures, recipe, varied, seed
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, len(self.pictures) // self.recipe.fit.batch_size)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, self.epoch, step))
        chosen = rng.integers(len(self.pictures), size=self.recipe.fit.batch_size)
        return augment(gather(self.pictures, chosen, self.recipe, rng), self.varied, rng)


class DrawnSelection(Dataset[Batch]):
    """The same drawings each time, on pictures that are not fitted on."""

    def __init__(self, pictures: Sequence[Picture], recipe: SyntheticRecipe, seed: int) -> None:
        self.pictures, self.recipe, self.seed = pictures, recipe, seed

    def __len__(self) -> int:
        return -(-len(self.pictures) // SELECTION_BATCH)

    def __getitem__(self, step: int) -> Batch:
        chosen = np.arange(len(self.pictures))[step * SELECTION_BATCH : (step + 1) * SELECTION_BATCH]
        whole = self.recipe.model_copy(update={"window": 1 << 16})
        return gather(self.pictures, chosen, whole, np.random.default_rng((self.seed, step)))


def gather(
    pictures: Sequence[Picture], chosen: NDArray[np.int64], recipe: SyntheticRecipe, rng: np.random.Generator
) -> Batch:
    """Cut a window of each of the chosen pictures, `recipe.drawn_share` of them with defects."""
    images, masks, labels = [], [], []
    for index in chosen:
        picture, mask, label = pictures[index], np.zeros(pictures[index].shape[:2], np.uint8), GOOD
        if rng.random() < recipe.drawn_share:
            picture, mask = draw(picture, pictures[int(rng.integers(len(pictures)))], rng)
            label = DRAWN
        top, left = (int(rng.integers(0, max(0, side - recipe.window) + 1)) for side in mask.shape)
        window = (slice(top, top + recipe.window), slice(left, left + recipe.window))
        images.append(picture[window])
        masks.append(mask[window])
        labels.append(label)
    return Batch(
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(),
        torch.from_numpy(np.stack(masks))[:, None].float(),
        torch.tensor(labels),
        torch.ones(len(labels)),
    )


def teach(order: Order[AnomalyRecipe], recipe: SyntheticRecipe, material: Material, budget: Budget) -> Fitted:
    """Fit on the good parts of `material`, one group in ten kept for selection."""
    be_repeatable(recipe.fit, order.seed)
    fitting, selection = fitting_and_held(material)
    fitted = fit(
        FitRun(
            network=_network(order.recipe, recipe, (material.spec.height, material.spec.width)),
            objective=SegmentObjective((DRAWN,), recipe.fit),
            steps=DrawnSteps(fitting, recipe, order.recipe.augment, order.seed),
            selection=DrawnSelection(selection, recipe, order.seed),
            selection_images=len(selection),
            afterwards=_looks_afterwards(order.recipe, material),
            recipe=recipe.fit,
            seed=order.seed,
            fingerprint=fingerprint(order.recipe, order.seed, order.dataset.content_hash, material.kinds),
        ),
        order.out,
        budget,
        must_resume=order.must_resume,
    )
    network = fitted.graph.network
    if recipe.typical and isinstance(network, TaughtNetwork):
        network.learn_typical(batches(fitted.graph, fitting), batches(fitted.graph, selection))
    return fitted


def _looks_afterwards(recipe: AnomalyRecipe, material: Material) -> int:
    """Pictures that are looked at after fitting; learning a bank takes three looks at each, its unit another one."""
    passes = 1 + (4 if recipe.beside is not None else 0)
    delivered = len(material.validation) + 2 * len(material.calibration) + recipe.quantise.images
    return delivered + passes * len(material.fit)


def fitting_and_held(material: Material) -> tuple[list[Picture], list[Picture]]:
    """Good pictures (H, W, 3): those to fit on, and those of one group in ten, or of all where there are too few."""
    pictures = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in material.fit.images]
    kept = selected([sample.group for sample in material.parts.fit])
    fitting = [picture for picture, keep in zip(pictures, kept, strict=True) if not keep]
    held = [picture for picture, keep in zip(pictures, kept, strict=True) if keep]
    return fitting, held or fitting


def batches(graph: StationGraph, pictures: Sequence[Picture]) -> Iterator[Tensor]:
    """Normalised pictures (N, 3, H, W), a few at a time."""
    for start in range(0, len(pictures), SELECTION_BATCH):
        bgr = torch.from_numpy(np.stack(pictures[start : start + SELECTION_BATCH])).permute(0, 3, 1, 2)
        yield graph.normalise(bgr).contiguous(memory_format=torch.channels_last)


def with_drawn(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) -> (N, H, W, 3): every other picture with a defect, for int8 ranges that reach that far."""
    rng = np.random.default_rng(seed)
    mixed = images.copy()
    for picture in mixed[1::2]:
        picture[:] = draw(picture, images[int(rng.integers(len(images)))], rng)[0]
    return mixed


def selected(groups: Sequence[str]) -> NDArray[np.bool_]:
    """(N,) of each sample's group: whether it selects. None does where there are too few groups."""
    chosen = sorted(set(groups))[SELECTION_GROUPS // 2 :: SELECTION_GROUPS]
    return np.isin(groups, chosen)


def _network(recipe: AnomalyRecipe, synthetic: SyntheticRecipe, size: tuple[int, int]) -> TaughtNetwork:
    pretrained = recipe.backbone == "efficientnet-lite0"
    frozen = synthetic.frozen_stages if pretrained else 0
    network = TaughtNetwork(recipe.backbone, size, 1, synthetic.channels, frozen)
    if pretrained:
        load_imagenet(network.backbone)
        network.freeze_normalisation()
    network.light = LevelLight() if recipe.level_light else None
    return network.to(memory_format=torch.channels_last)
