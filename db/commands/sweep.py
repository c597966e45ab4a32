"""`inspector db sweep`: drop images that the policy no longer keeps; to be run by a timer."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from db.commands import add_database, opened
from inspector.errors import StorageFault

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.retention import RetentionPolicy

HELP = "drop images by class, by age and for room on the disk, as a policy says"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--images", metavar="PLACE", required=True, help="root of the image store: a folder or a URL")
    parser.add_argument("--policy", metavar="FILE", type=Path, required=True, help="TOML, as retention.example.toml")
    parser.add_argument("--dry-run", action="store_true", help="say what would be dropped, and drop nothing")


def run(args: argparse.Namespace) -> int:
    """Return 1 where the disk is full too soon though all that may go has gone: an alarm."""
    from db.images import ImageStore
    from db.remote_images import open_images
    from db.retention import load_policy
    from db.sweeping import sweep_once

    policy = load_policy(args.policy)
    images = open_images(args.images)
    free_bytes = _free_bytes(args.images) if isinstance(images, ImageStore) else None
    with opened(args) as engine:
        done = sweep_once(engine, images, policy, free_bytes, dry_run=args.dry_run)
        print(done.text())
        return _alarm(engine, done.plan.short_bytes, policy, args) if done.plan.short_bytes else 0


def _free_bytes(folder: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageFault(f"--images {folder}: {error.strerror}; expected the root of the image store") from error


def _alarm(engine: Engine, short_bytes: int, policy: RetentionPolicy, args: argparse.Namespace) -> int:
    from db.sweep import record_alarm
    from db.sweeping import NO_ROOM, no_room

    words = no_room(short_bytes, policy, args.images)
    print(f"alarm: {words}")
    if not args.dry_run:
        record_alarm(engine, NO_ROOM, words)
    return 1
