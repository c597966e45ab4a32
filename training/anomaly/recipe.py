"""How an anomaly detector is made: every field bounded and described."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from inspector.documents import Document
from training.recipe import AugmentRecipe, FitRecipe, InputRecipe, PartsRecipe, PolicyRecipe, QuantiseRecipe


class BankRecipe(Document):
    """What is kept of the good parts, and how a part is held against it."""

    stages: tuple[int, ...] = Field(
        (3, 4, 5, 6), min_length=1, description="Stages of the backbone whose outputs describe a place, ascending."
    )
    stride: Literal[8, 16] = Field(16, description="Input px between the places that are compared.")
    window: Literal[1, 3, 5] = Field(3, description="A place is described by the mean over so many cells squared.")
    dimensions: int = Field(128, ge=4, le=512, description="Numbers per place, at most; the strongest are kept.")
    shrinkage: float = Field(
        0.1,
        gt=0,
        le=10,
        description="Directions are weighed by 1 / sqrt(variance + shrinkage x mean variance): little makes all equal, "
        "much leaves them as the backbone gives them.",
    )
    size: int = Field(2048, ge=16, le=32768, description="Good places kept, chosen to cover all of them.")
    candidates: int = Field(60000, ge=1000, le=500000, description="Good places among which they are chosen.")
    position: float = Field(
        0.0, ge=0, le=10, description="How much it matters where in the picture a place is; 0 compares with all places."
    )
    top_share: float = Field(
        0.02, gt=0, le=1, description="Share of the places, the strangest, whose mean is the score of the part."
    )
    varied_views: int = Field(0, ge=0, le=16, description="Varied copies of each good picture, beside itself.")


FINE = BankRecipe(stages=(2, 4), stride=8, shrinkage=10.0)
"""Small things, features nearly as the backbone gives them."""
DEEP = BankRecipe()
"""Much of the surroundings of each place, whitened: surfaces whose texture varies."""


class AnomalibRecipe(Document):
    """One of anomalib's networks, trained by its engine (extra `anomalib`)."""

    kind: Literal["patchcore", "stfpm"] = Field("patchcore", description="Memory bank, or student and teacher.")
    layers: tuple[str, ...] = Field(
        ("blocks.2", "blocks.4"), min_length=1, description="Layers of the backbone, as timm calls them."
    )
    coreset_share: float = Field(0.1, gt=0, le=1, description="Share of all good places kept (patchcore).")
    neighbours: int = Field(9, ge=1, le=64, description="Neighbours by which the score is weighted (patchcore).")
    epochs: int = Field(20, ge=1, le=1000, description="Passes over the good pictures (stfpm).")
    batch_size: int = Field(8, ge=1, le=256, description="Pictures per step.")


class SyntheticRecipe(Document):
    """A segmenter taught with defects drawn on good parts."""

    drawn_share: float = Field(0.6, gt=0, lt=1, description="Share of the pictures that get a defect drawn on them.")
    window: int = Field(224, ge=64, le=1024, multiple_of=32, description="Side of a training window, px of the input.")
    channels: int = Field(64, ge=8, le=256, multiple_of=8, description="Channels of the decoder.")
    frozen_stages: int = Field(2, ge=0, le=7, description="First stages of the backbone that keep their weights.")
    typical: bool = Field(
        True,
        description="Also hold how uneven a part's last features are against good parts: finds what has "
        "changed all of a surface.",
    )
    fit: FitRecipe = FitRecipe(
        epochs=40,
        learning_rate=2e-3,
        backbone_rate_share=0.2,
        patience=1000,  # the selection part holds few groups, and drawn defects only
        threads=1,
    )


class AnomalyRecipe(Document):
    """Everything that decides a training run, apart from the pictures and the seed."""

    backbone: Literal["efficientnet-lite0", "compact"] = Field(
        "efficientnet-lite0", description="`compact` has weights of chance, which is of use in tests only."
    )
    golden_per_bundle: int = Field(8, ge=1, le=64, description="Golden samples, spread over good and defective.")
    input: InputRecipe = InputRecipe(height=256, width=256)
    banks: tuple[BankRecipe, ...] = Field(
        (FINE, DEEP),
        min_length=1,
        description="Where train has defective parts, the bank that best tells them from good calibration parts is "
        "kept; the first, where it has none.",
    )
    level_light: bool = Field(
        False,
        description="Divide each place of a picture by how bright its wide surroundings are: for parts that are seen "
        "in different light.",
    )
    anomalib: AnomalibRecipe | None = Field(None, description="Instead of the bank, one of anomalib's networks.")
    synthetic: SyntheticRecipe | None = Field(
        None,
        description="Instead of a bank, a network that learns defects drawn on good parts: for surfaces that vary from "
        "part to part and with the light.",
    )
    beside: BankRecipe | None = Field(
        None,
        description="With `synthetic`, a bank of good places beside the network: their scores are added, each in its "
        "own unit.",
    )
    augment: AugmentRecipe = AugmentRecipe(quarter_turns=False, geometry=0.3, noise=0.3, paste_share=0)
    parts: PartsRecipe = PartsRecipe()
    quantise: QuantiseRecipe = QuantiseRecipe()
    policy: PolicyRecipe = PolicyRecipe()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.beside is not None and self.synthetic is None:
            raise ValueError("beside: expected [synthetic] too, beside which the bank stands")
        if self.level_light and self.anomalib is not None:
            raise ValueError("level_light: expected false with [anomalib], whose networks see the picture as it is")
        return self
