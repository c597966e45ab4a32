"""How a detector is trained: every field bounded and described; what is unset is chosen from the pictures."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from inspector.bundle import Tiles
from inspector.documents import Document
from training.recipe import FitRecipe, InputRecipe, PartsRecipe, PolicyRecipe, QuantiseRecipe

Stride = Literal[4, 8, 16, 32]


def _doubling(strides: tuple[Stride, ...]) -> tuple[Stride, ...]:
    if len(strides) < 2 or any(coarse != 2 * fine for fine, coarse in itertools.pairwise(strides)):
        raise ValueError("expected at least two levels, each twice the one before")
    return strides


class VariationRecipe(Document):
    """How far a training picture is varied."""

    scale: float = Field(0.3, ge=0, le=1, description="Logarithm of the largest change of size.")
    aspect: float = Field(0.1, ge=0, le=0.5, description="Logarithm of the largest change of each side apart.")
    mirror: bool = Field(True, description="Mirror left-right and up-down.")
    quarter_turns: bool = Field(True, description="Swap rows and columns (square windows only).")
    mosaic_share: float = Field(
        0.5, ge=0, le=1, description="Share of windows cut from four pictures put together; none with a template."
    )
    misalign_px: float = Field(1.5, ge=0, le=32, description="Largest shift of the template against the picture, px.")
    least_visible: float = Field(0.4, ge=0, le=1, description="A box cut by the window counts from this share on.")
    light: float = Field(0.5, ge=0, le=2, description="Strength of exposure, gamma, contrast and uneven lighting.")
    noise: float = Field(0.5, ge=0, le=2, description="Strength of sensor noise and blur.")


class DetectorRecipe(Document):
    """The network and what it learns from."""

    channels: int = Field(64, ge=8, le=256, multiple_of=8, description="Channels of the pyramid and the towers.")
    strides: Annotated[tuple[Stride, ...], AfterValidator(_doubling)] | None = Field(
        None, description="Levels of the pyramid, fine to coarse, each twice the one before; unset: from the boxes."
    )
    frozen_stages: int = Field(
        0, ge=0, le=4, description="Stem and first stages left as pretrained; they take half of a step's time."
    )
    template: Literal["auto", "never"] = Field(
        "auto", description="`auto` compares with the golden template where the index names one."
    )
    window: int | None = Field(
        None,
        ge=64,
        le=1024,
        multiple_of=32,
        description="Side of a training window, px; unset: the input, at most 320.",
    )
    views: Literal[1, 2, 4] = Field(
        1,
        description="Mirrored views of a picture whose answers the station's network averages: more accurate, and as "
        "many times slower. Fitting is the same.",
    )
    box_weight: float = Field(2.5, gt=0, le=20, description="Weight of the box loss against the score loss.")


class DetectFitRecipe(FitRecipe):
    """The optimisation; `label_smoothing` and `dense_weight` are for classifiers."""

    epochs: int = Field(60, ge=1, le=1000, description="Passes over the fitting part; `--minutes` may shorten them.")
    batch_size: int = Field(8, ge=2, le=256, description="Windows per step.")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Peak rate of the head (AdamW, cosine to zero).")
    good_share: float = Field(0.1, gt=0, lt=1, description="Share of windows drawn from pictures without a box.")
    patience: int = Field(30, ge=1, description="Stop after so many epochs without a lower loss on the selection part.")
    threads: int = Field(
        1,
        ge=0,
        le=256,
        description="Threads of the tensor library; 0 shares the cores out, 3 to 5 times slower where others use them.",
    )


class DetectRecipe(Document):
    """Everything that decides a training run, apart from the pictures and the seed."""

    backbone: Literal["efficientnet-lite0", "compact"] = Field(
        "efficientnet-lite0", description="`compact` is a small network trained from scratch."
    )
    pretrained: bool = Field(True, description="Start from ImageNet weights (efficientnet-lite0 only).")
    golden_per_bundle: int = Field(8, ge=1, le=64, description="Golden samples, spread over the classes.")
    input: InputRecipe = InputRecipe()
    tiles: Tiles | None = Field(
        None,
        description="Cut frames larger than the input in tiles of this size; unset: frames are shrunk to the input.",
    )
    variation: VariationRecipe = VariationRecipe()
    detector: DetectorRecipe = DetectorRecipe()
    fit: DetectFitRecipe = DetectFitRecipe()
    parts: PartsRecipe = PartsRecipe()
    quantise: QuantiseRecipe = QuantiseRecipe()
    policy: PolicyRecipe = PolicyRecipe()
