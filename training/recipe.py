"""How a classifier is trained: one frozen object read from TOML, every field bounded and described.

Other tasks have recipes of their own, which share these sections.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inspector.cheapest import Costs
from inspector.documents import Document
from inspector.held import Unit


class InputRecipe(Document):
    """The picture that the network sees."""

    height: int | None = Field(
        default=None, ge=64, le=1024, multiple_of=32, description="Rows, px; unset: from the pictures, at most 320."
    )
    width: int | None = Field(
        default=None, ge=64, le=1024, multiple_of=32, description="Columns, px; unset: from the pictures, at most 320."
    )
    fit: Literal["stretch", "letterbox"] = Field(
        "stretch", description="How a picture of another shape is fitted: `letterbox` keeps its proportions."
    )


class AugmentRecipe(Document):
    """How far a training picture is varied. All strengths: 0 is off, 1 is what the defaults were measured with."""

    geometry: float = Field(1.0, ge=0, le=2, description="Strength of small turns, scaling and shifts.")
    quarter_turns: bool = Field(True, description="Turn by multiples of 90 degrees (square inputs only).")
    mirror: bool = Field(True, description="Mirror left-right and up-down.")
    light: float = Field(1.0, ge=0, le=2, description="Strength of exposure, gamma, contrast and uneven lighting.")
    noise: float = Field(1.0, ge=0, le=2, description="Strength of sensor noise and blur.")
    paste_share: float = Field(
        0.3, ge=0, le=1, description="Share of good pictures that get a masked defect of another part pasted in."
    )


class FitRecipe(Document):
    """The optimisation."""

    epochs: int = Field(30, ge=1, le=1000, description="Passes over the fitting part; `--minutes` may shorten them.")
    batch_size: int = Field(16, ge=2, le=256, description="Pictures per step.")
    learning_rate: float = Field(5e-4, gt=0, le=0.1, description="Peak rate of the head (AdamW, cosine to zero).")
    backbone_rate_share: float = Field(0.5, ge=0, le=1, description="Rate of the backbone, as a share of the head's.")
    weight_decay: float = Field(0.02, ge=0, le=1, description="AdamW weight decay.")
    label_smoothing: float = Field(0.05, ge=0, lt=0.5, description="Mass spread over the other classes.")
    averaging: float = Field(0.99, ge=0, lt=1, description="Decay of the moving average of the weights; 0 is off.")
    good_share: float = Field(0.5, gt=0, lt=1, description="Share of good pictures in what is drawn for an epoch.")
    dense_weight: float = Field(
        1.0, ge=0, le=10, description="Weight of the per-cell loss on defect masks; 0 leaves the dense map out."
    )
    patience: int = Field(15, ge=1, description="Stop after so many epochs without a lower loss on the selection part.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` takes bfloat16 where the processor has instructions for it."
    )
    threads: int = Field(0, ge=0, le=256, description="Threads of the tensor library; 0 shares the cores out.")
    accelerator: Literal["cpu", "gpu"] = Field("cpu", description="What fits the network.")
    strategy: Literal["auto", "ddp"] = Field("auto", description="`ddp`: one process per device, equal weights.")
    devices: int = Field(1, ge=1, le=64, description="Processes or GPUs on each machine; more than 1 needs `ddp`.")
    num_nodes: int = Field(1, ge=1, le=64, description="Machines; more than 1 needs `ddp`.")

    @model_validator(mode="after")
    def _several_need_ddp(self) -> Self:
        if self.strategy == "auto" and self.devices * self.num_nodes > 1:
            raise ValueError('devices, num_nodes: more than one needs strategy = "ddp"')
        return self


class PartsRecipe(Document):
    """What is cut from `train`, whole groups at a time, and kept apart from fitting."""

    calibration_share: float = Field(0.15, gt=0, le=0.5, description="For temperature, Platt and the policy's limits.")
    selection_share: float = Field(0.08, gt=0, le=0.5, description="For early stopping.")
    validation_share: float = Field(0.2, gt=0, le=0.5, description="For `val`, only where the index has none.")


class QuantiseRecipe(Document):
    """Post-training quantisation for processors, and what it may change."""

    images: int = Field(160, ge=8, le=5000, description="Fitting pictures that set the activation ranges.")
    method: Literal["minmax", "percentile", "entropy"] = Field("minmax", description="How ranges are chosen.")
    float_flips: float = Field(
        0.005, ge=0, le=1, description="Most decisions the float graph may change, share of val."
    )
    int8_flips: float = Field(0.08, ge=0, le=1, description="Most decisions the int8 graph may change, share of val.")
    max_drop: float = Field(0.01, ge=0, le=1, description="How much of the task's figure int8 may lose against float.")
    sensitivity_s: float = Field(
        60.0, ge=0, le=3600, description="Time to find layers that hurt, per int8 graph that falls short; 0 is off."
    )
    float_share: float = Field(
        0.25, ge=0, le=1, description="Most of the layers that may stay float because they hurt."
    )
    fine_tune_s: float = Field(
        120.0, ge=0, le=3600, description="Time to fine-tune the network where int8 still falls short; 0 is off."
    )


class PolicyRecipe(Document):
    """What the limits must keep: proved where the validation part suffices, else an aim on the calibration part."""

    escape: float = Field(0.01, ge=0, le=0.5, description="Share of defective parts that may pass.")
    overkill: float = Field(0.05, ge=0, le=0.5, description="Share of good parts that may be rejected.")
    confidence: float = Field(0.95, ge=0.5, lt=1, description="With which a certificate's bounds hold, all at once.")
    unit: Unit = Field("group", description="What a certificate counts once: a `group` of pictures, or each `part`.")
    per_kind: bool = Field(False, description="A certificate bounds the escape of every kind of defect by itself.")
    kinds: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=dict, description="Escape bounds of single kinds of defects."
    )
    costs: Costs | None = Field(
        default=None, description="Certified limits of least expected cost; unset: of least review."
    )


class TrainingRecipe(Document):
    """Everything that decides a training run, apart from the pictures and the seed."""

    backbone: Literal["efficientnet-lite0", "compact"] = Field(
        "efficientnet-lite0", description="`compact` is a small network trained from scratch."
    )
    pretrained: bool = Field(True, description="Start from ImageNet weights (efficientnet-lite0 only).")
    golden_per_bundle: int = Field(8, ge=1, le=64, description="Golden samples, spread over the classes.")
    label_column: str = Field(
        "label",
        min_length=1,
        description="Column that says what a picture shows. `classes`, which COCO, VOC, YOLO and labelme folders have, "
        "names every class in it, joined by `|`: each becomes a yes or no of its own. An empty cell is a good part.",
    )
    level_light: bool = Field(
        False,
        description="Divide each place of a picture by how bright its wide surroundings are: for parts that are seen "
        "in different light.",
    )
    input: InputRecipe = InputRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    fit: FitRecipe = FitRecipe()
    parts: PartsRecipe = PartsRecipe()
    quantise: QuantiseRecipe = QuantiseRecipe()
    policy: PolicyRecipe = PolicyRecipe()
