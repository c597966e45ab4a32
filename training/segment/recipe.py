"""How a segmenter is trained: the sections of the classifier's recipe with defaults of its own, and the decoder."""

from __future__ import annotations

from pydantic import Field

from inspector.documents import Document
from training.recipe import AugmentRecipe, FitRecipe, TrainingRecipe


class DecoderRecipe(Document):
    """From the backbone's maps to the mask."""

    channels: int = Field(64, ge=8, le=256, multiple_of=8, description="Channels of the decoder.")
    window: int = Field(
        192,
        ge=64,
        le=1024,
        multiple_of=32,
        description="Side of what a training step sees of a picture, px of the input.",
    )
    frozen_stages: int = Field(
        2,
        ge=0,
        le=3,
        description="Stages of the backbone, from the picture on, that keep their pretrained weights; the first two "
        "are at 1/2 and 1/4 of the input and cost a quarter of a step.",
    )
    least_px: int = Field(
        102400, ge=4096, le=1048576, description="Input, px in all, where the recipe does not set its sides."
    )
    most_px: int = Field(262144, ge=4096, le=1048576, description="The same, at most, where defects are small.")
    defect_px: float = Field(
        48, ge=1, le=4096, description="Px of the input that all but the smallest twentieth of the defects shall have."
    )


class SegmentRecipe(TrainingRecipe):
    """Everything that decides a training run, apart from the pictures and the seed.

    `fit.dense_weight` weighs the losses of the mask, `fit.label_smoothing` is of the part's own loss.
    """

    decoder: DecoderRecipe = DecoderRecipe()
    augment: AugmentRecipe = AugmentRecipe(light=0.5, noise=0.5)
    fit: FitRecipe = FitRecipe(
        epochs=60,
        batch_size=16,
        learning_rate=3e-3,
        backbone_rate_share=0.2,
        good_share=0.35,
        averaging=0.99,
        patience=1000,  # few pictures select, and their loss wavers most while the rate is high
        threads=1,  # 3 to 5 times faster than two where anything else runs: steps are small
    )
