"""`inspector db sweep`: drop images that the policy no longer keeps; to be run by a timer."""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from db.commands import add_database, opened
from inspector.errors import StorageFault

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.retention import Drop, Plan, RetentionPolicy

HELP = "drop images by class, by age and for room on the disk, as a policy says"
NO_ROOM = "image headroom"
"""Kind of the event that says so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--images", metavar="PLACE", required=True, help="root of the image store: a folder or a URL")
    parser.add_argument("--policy", metavar="FILE", type=Path, required=True, help="TOML, as retention.example.toml")
    parser.add_argument("--dry-run", action="store_true", help="say what would be dropped, and drop nothing")


def run(args: argparse.Namespace) -> int:
    """Return 1 where the disk is full too soon though all that may go has gone: an alarm."""
    from db import sweep
    from db.images import ImageStore
    from db.records import utc_now
    from db.remote_images import open_images
    from db.retention import load_policy
    from inspector.draws import read_key

    policy = load_policy(args.policy)
    key = read_key(policy.key_file) if policy.key_file else None
    images = open_images(args.images)
    local = isinstance(images, ImageStore)
    with opened(args) as engine, images.sweeping() if isinstance(images, ImageStore) else nullcontext():
        now = utc_now()
        if not args.dry_run:
            sweep.settle(engine, images, now)
        plan = sweep.plan(engine, policy, key, now, _free_bytes(args.images) if local else None)
        if args.dry_run:
            print(f"would drop {_counted(plan.drops)}")
        else:
            swept = sweep.carry_out(engine, images, plan, policy, key, now)
            spared = f"; {swept.spared} spared: put again meanwhile, or not there" if swept.spared else ""
            print(f"dropped {_counted(swept.dropped)}{spared}")
        return _alarm(engine, plan, policy, args) if plan.short_bytes else 0


def _free_bytes(folder: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageFault(f"--images {folder}: {error.strerror}; expected the root of the image store") from error


def _counted(drops: tuple[Drop, ...]) -> str:
    size_mb = sum(drop.image.size_bytes for drop in drops) / 1e6
    by_worth = Counter(drop.worth.name.lower() for drop in drops)
    each = ", ".join(f"{count} {worth}" for worth, count in sorted(by_worth.items()))
    return f"{len(drops)} images, {size_mb:.1f} MB" + (f" ({each})" if each else "")


def _alarm(engine: Engine, plan: Plan, policy: RetentionPolicy, args: argparse.Namespace) -> int:
    from db.sweep import record_alarm

    words = (
        f"{plan.short_bytes / 1e6:.1f} MB are missing on the disk of {args.images} to {policy.headroom_hours:g} hours "
        "of headroom, and what is left is rejects and audited parts: make room"
    )
    print(f"alarm: {words}")
    if not args.dry_run:
        record_alarm(engine, NO_ROOM, words)
    return 1
