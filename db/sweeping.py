"""One sweep of a store, whole: what `inspector db sweep` and a station's own sweeper do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from db.images import Images, ImageStore
from db.records import utc_now
from db.retention import Drop, Plan, RetentionPolicy
from db.sweep import Swept, carry_out, plan, settle
from inspector.draws import read_key

NO_ROOM = "image headroom"
"""Kind of the event that says so."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a sweep was to do, and did; `swept` None: it was a dry run."""

    plan: Plan
    swept: Swept | None

    def text(self) -> str:
        if self.swept is None:
            return f"would drop {counted(self.plan.drops)}"
        spared = f"; {self.swept.spared} spared: put again meanwhile, or not there" if self.swept.spared else ""
        return f"dropped {counted(self.swept.dropped)}{spared}"


def sweep_once(
    engine: Engine,
    images: Images,
    policy: RetentionPolicy,
    free_bytes: int | None,
    *,
    dry_run: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> Done:
    """Drop what the policy no longer keeps, or say what that is. `free_bytes` None: the store has no end.

    Raises:
        StorageFault, DatabaseError: another sweep is at work, or a file or the database cannot be written.
        ConfigError: the policy's key cannot be read.
    """
    key = read_key(policy.key_file) if policy.key_file else None
    with images.sweeping() if isinstance(images, ImageStore) else nullcontext():
        now = clock()
        if not dry_run:
            settle(engine, images, now)
        wanted = plan(engine, policy, key, now, free_bytes)
        return Done(wanted, None if dry_run else carry_out(engine, images, wanted, policy, key, now))


def counted(drops: tuple[Drop, ...]) -> str:
    size_mb = sum(drop.image.size_bytes for drop in drops) / 1e6
    by_worth = Counter(drop.worth.name.lower() for drop in drops)
    each = ", ".join(f"{count} {worth}" for worth, count in sorted(by_worth.items()))
    return f"{len(drops)} images, {size_mb:.1f} MB" + (f" ({each})" if each else "")


def no_room(short_bytes: int, policy: RetentionPolicy, where: object) -> str:
    return (
        f"{short_bytes / 1e6:.1f} MB are missing on the disk of {where} to {policy.headroom_hours:g} hours "
        "of headroom, and what is left is rejects and audited parts: make room"
    )
