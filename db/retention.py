"""Which images are dropped, and why: by what the part was, by age, and by how soon the disk is full. Pure decisions."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from db.images import StoredImage
from inspector.documents import Document, parse, read_bytes
from inspector.errors import ConfigError

_MOST_DAYS = 36500
HOUR_S = 3600.0


class Worth(IntEnum):
    """What an image is kept for, least first; of several parts with one picture the worthiest says."""

    PASS = 0
    SAMPLE = 1
    """A pass that the keyed draw chose for `pass_share`."""
    AUDITED = 2
    """A pass that somebody was asked to label, or labelled."""
    REJECT = 3
    """Not passed, or not judged yet."""


class RetentionPolicy(Document):
    """A policy file. Left as it is, it drops nothing."""

    pass_share: float = Field(default=0.0, ge=0, le=1, description="share of the passes' images kept as a sample")
    key_file: Path | None = Field(default=None, description="key of the draw: the station's audit.key")
    pass_days: float | None = Field(
        default=None, gt=0, le=_MOST_DAYS, description="passes beyond the sample are kept for so long; unset: for ever"
    )
    sample_days: float | None = Field(default=None, gt=0, le=_MOST_DAYS, description="the same for the sample")
    audited_days: float | None = Field(
        default=None, gt=0, le=_MOST_DAYS, description="the same for passes with a label or a task"
    )
    reject_days: float | None = Field(
        default=None, gt=0, le=_MOST_DAYS, description="the same for parts that did not pass"
    )
    headroom_hours: float | None = Field(
        default=None,
        gt=0,
        le=87600,
        description="the disk must not be full sooner; passes are dropped for it, never others",
    )

    @model_validator(mode="after")
    def _key_for_draw(self) -> Self:
        if 0 < self.pass_share < 1 and self.key_file is None:
            raise ValueError("a share of the passes is drawn by a key: expected key_file")
        return self

    def days(self, worth: Worth) -> float | None:
        """For how long images of this worth are kept; None: for ever."""
        return {
            Worth.PASS: self.pass_days,
            Worth.SAMPLE: self.sample_days,
            Worth.AUDITED: self.audited_days,
            Worth.REJECT: self.reject_days,
        }[worth]


@dataclass(frozen=True, slots=True)
class Kept:
    """An image that is in the store."""

    image: StoredImage
    worth: Worth
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that the images lie on, and how fast images fill it."""

    free_bytes: int
    fill_bytes_per_s: float

    @property
    def full_in_hours(self) -> float:
        return self.free_bytes / self.fill_bytes_per_s / HOUR_S if self.fill_bytes_per_s else float("inf")


@dataclass(frozen=True, slots=True)
class Drop:
    image: StoredImage
    worth: Worth
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    drops: tuple[Drop, ...]
    short_bytes: int
    """What is missing to the headroom when all of them are dropped: a person must make room."""


def plan_sweep(kept: Iterable[Kept], policy: RetentionPolicy, now: datetime, disk: Disk | None) -> Plan:
    """Choose what is dropped: what is too old, then for headroom passes before the sample, oldest first."""
    drops: list[Drop] = []
    expendable: list[Kept] = []
    for one in kept:
        days = policy.days(one.worth)
        if days is not None and now - one.stored_at > timedelta(days=days):
            drops.append(Drop(one.image, one.worth, f"age: {one.worth.name.lower()} kept for {days:g} days"))
        elif one.worth <= Worth.SAMPLE and policy.headroom_hours is not None:
            expendable.append(one)
    missing_bytes = _missing(policy, disk) - sum(drop.image.size_bytes for drop in drops)
    for one in sorted(expendable, key=lambda one: (one.worth, one.stored_at, one.image.sha256)):
        if missing_bytes <= 0 or disk is None:
            break
        drops.append(Drop(one.image, one.worth, _no_room(policy, disk)))
        missing_bytes -= one.image.size_bytes
    return Plan(tuple(drops), max(0, missing_bytes))


def load_policy(path: Path) -> RetentionPolicy:
    """Read a policy file; raise ConfigError with every fault."""
    try:
        content = tomllib.loads(read_bytes(path, ConfigError).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; expected TOML") from error
    policy = parse(str(path), content, RetentionPolicy, ConfigError)
    key_file = None if policy.key_file is None else path.parent / policy.key_file
    return policy.model_copy(update={"key_file": key_file})


def _missing(policy: RetentionPolicy, disk: Disk | None) -> int:
    """Bytes that must become free for the headroom."""
    if policy.headroom_hours is None or disk is None:
        return 0
    return int(policy.headroom_hours * HOUR_S * disk.fill_bytes_per_s) - disk.free_bytes


def _no_room(policy: RetentionPolicy, disk: Disk) -> str:
    return f"headroom: disk full in {disk.full_in_hours:.1f} h, expected {policy.headroom_hours:g} h"
