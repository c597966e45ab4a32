"""What a job asks for, and what a worker may use."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from db.material.manifest import Shares
from inspector.documents import Document


class JobSettings(Document):
    """`settings` of a queued job."""

    task: Literal["classify", "anomaly", "detect", "segment"] = Field(default="classify", description="of the network")
    seed: int = Field(default=0, ge=0, lt=2**32, description="same seed, same network")
    minutes: float | None = Field(default=None, gt=0, le=10_000, description="time for everything; unset: no limit")
    training: str = Field(
        default="", description="training recipe, word for word as its TOML file; empty: the defaults"
    )
    start: Literal["anew", "warm", "fast"] = Field(
        default="anew",
        description="from the recipe's first weights, from the parent's, or with the parent's features kept and only "
        "what reads them fitted",
    )
    shares: Shares = Field(default_factory=Shares, description="how groups of parts are divided")


class WorkerSettings(Document):
    """Where a worker reads and writes, and how much of the machine it may take."""

    images: Path = Field(description="root of the image store")
    bundles: Path = Field(description="folder in which finished bundles appear, whole")
    folder: Path = Field(description="the worker's own folder: data sets, checkpoints, logs, by job")
    recipe: Path | None = Field(default=None, description="recipe (TOML) with the gate's margins")
    nice: int = Field(default=10, ge=0, le=19, description="how far the training stands back behind other programs")
    threads: int = Field(default=1, ge=1, le=256, description="threads of the training")
    memory_mb: int | None = Field(default=None, ge=256, description="address space of the training; unset: no limit")
