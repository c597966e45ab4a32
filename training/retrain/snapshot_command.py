"""`inspector retrain snapshot`: labels as of a moment, frozen; and have I labelled enough?"""

from __future__ import annotations

import argparse
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.documents import parse
from inspector.errors import UserError
from inspector.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from db.material.manifest import SnapshotManifest
    from db.snapshots import FrozenSnapshot

DESCRIPTION = """Freeze the labels of a recipe up to a moment into the database, and say whether they are enough. A part
that was once for testing stays so in every later snapshot. With --out, the snapshot is written as a data set, for
`inspector train` and `inspector retrain gate`."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.description = DESCRIPTION
    verb.add_argument("--database", metavar="URL", help="URL or file (default: the demo's ledger)")
    verb.add_argument("--recipe", type=Path, metavar="FILE", help="recipe (TOML): its name, and margins to be shown")
    verb.add_argument("--at", type=_moment, metavar="TIME", help="labels up to then, with a time zone (default: now)")
    verb.add_argument("--by", metavar="NAME", help="who has it made (default: the account's name)")
    verb.add_argument("--test-share", type=float, default=0.2, metavar="SHARE", help="groups that are only tested on")
    verb.add_argument("--val-share", type=float, default=0.15, metavar="SHARE", help="groups that limits rest on")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write it as a data set here; needs --images")
    verb.add_argument("--images", type=Path, metavar="FOLDER", help="root of the image store")
    verb.add_argument("--parent", type=Path, metavar="BUNDLE", help="also draw the learning curve, on its features")
    verb.add_argument("--json", type=Path, metavar="FILE", help="write the manifest, its hash, and what is missing")
    verb.set_defaults(run=run)


def _moment(words: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-01-31T12:00:00+00:00, got {words!r}") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time zone, got {words!r}")
    return moment.astimezone(UTC)


def run(args: argparse.Namespace) -> int:
    if (args.out is None) != (args.images is None):
        raise UserError("--out and --images: expected both or neither")
    if args.parent is not None and args.out is None:
        raise UserError("--parent: expected --out and --images too: the curve is of the pictures")
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    frozen, manifest = _frozen(args, recipe)
    missing = _tell(frozen, manifest, recipe)
    if args.json:
        content = {"snapshot_id": str(frozen.snapshot_id), "content_hash": frozen.content_hash, "missing": missing}
        _write(args.json, {**content, "manifest": manifest.model_dump(mode="json")})
    if args.out:
        from training.snapshots.freezing import write_dataset

        print(write_dataset(manifest, args.images, args.out))
    if args.parent:
        for line in _curve(args, manifest):
            print(line)
    return 0


def _curve(args: argparse.Namespace, manifest: SnapshotManifest) -> list[str]:
    from inspector.bundle import load_bundle
    from inspector.dataset import read_dataset
    from training.growth import learning_points
    from training.snapshots.curve import fit_curve

    parent = load_bundle(args.parent)
    dataset = read_dataset(args.out, good=manifest.good or ("good",), splits=("train", "val"))
    return fit_curve(learning_points(parent, dataset)).lines()


def _frozen(args: argparse.Namespace, recipe: Recipe) -> tuple[FrozenSnapshot, SnapshotManifest]:
    from db.engine import default_url, open_engine, writing
    from db.material.manifest import Shares
    from training.snapshots.freezing import freeze_labels

    now = datetime.now(UTC)
    if args.at is not None and args.at > now:
        raise UserError(f"--at {args.at.isoformat()}: expected a moment that is over; it is {now.isoformat()}")
    shares = parse("--test-share, --val-share", {"test": args.test_share, "val": args.val_share}, Shares, UserError)
    engine = open_engine(args.database or default_url())
    try:
        with writing(engine) as connection:
            return freeze_labels(connection, recipe.name, args.at or now, args.by or getpass.getuser(), shares)
    finally:
        engine.dispose()


def _tell(frozen: FrozenSnapshot, manifest: SnapshotManifest, recipe: Recipe) -> list[str]:
    """Print what was frozen and what is missing; return the latter."""
    from db.material.enough import answer, enough

    classes = enough(manifest, recipe.gate)
    counts = ", ".join(f"{count} {name}" for name, count in manifest.counts().items())
    print(f"snapshot {frozen.snapshot_id} {frozen.content_hash[:16]}: {counts}")
    for one in manifest.set_aside:
        print(f"set aside: part {one.part_id}: {one.reason}")
    for found in classes:
        print(found.text())
    print(answer(classes))
    return [found.text() for found in classes if found.missing]


def _write(path: Path, content: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
