"""How an embedding is trained: every field bounded and described."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inspector.documents import Document
from training.recipe import AugmentRecipe, FitRecipe, InputRecipe, PartsRecipe, PolicyRecipe, QuantiseRecipe


class MetricRecipe(Document):
    """The embedding, and how its metric is learnt in closed form."""

    dimensions: int = Field(128, ge=2, le=1024, description="Length of an embedding, at most.")
    varied_views: int = Field(2, ge=0, le=16, description="Varied copies of each fitting picture, beside itself.")
    shrinkage: float = Field(
        0.1, gt=0, le=1, description="Share of a sphere in the scatter within variants; more trusts few pictures less."
    )
    fine_tune: bool = Field(
        False, description="First fit the backbone by a contrastive loss; it helped known variants, not unknown ones."
    )
    temperature: float = Field(0.1, gt=0, le=2, description="Of the contrastive loss.")
    references: int = Field(8, ge=1, le=64, description="Calibration parts kept as references of each trained variant.")
    typical_references: int = Field(
        4, ge=1, le=64, description="References of a variant that the match probability is calibrated for."
    )
    review_novelty: float = Field(
        0.5, gt=0, le=1, description="A part is a stranger when none of the variants has this probability."
    )


class EmbedRecipe(Document):
    """Everything that decides a training run, apart from the pictures and the seed."""

    left_out: tuple[str, ...] = Field(
        (),
        description="Labels that are never fitted on. Their rows of train help to calibrate the match probability, "
        "since what will be enrolled is unseen too; their rows of val show what enrolment without training is worth.",
    )
    backbone: Literal["efficientnet-lite0", "compact"] = Field(
        "efficientnet-lite0",
        description="`compact` starts from chance: of use only with `fine_tune` and many pictures.",
    )
    golden_per_bundle: int = Field(8, ge=1, le=64, description="Golden samples, spread over the variants.")
    input: InputRecipe = InputRecipe()
    metric: MetricRecipe = MetricRecipe()
    augment: AugmentRecipe = AugmentRecipe(paste_share=0)
    fit: FitRecipe = FitRecipe(epochs=2, batch_size=32, learning_rate=2e-4)
    parts: PartsRecipe = PartsRecipe()
    quantise: QuantiseRecipe = QuantiseRecipe(int8_flips=0.15)
    policy: PolicyRecipe = PolicyRecipe()
