"""Kill -9 of either process at random moments: after each restart, is every part accounted for?

    python -m benchmarks.faults --bundle BUNDLE --kills 50 --json FILE
    python -m benchmarks.faults --faults 500 --seed 0 --json FILE      the campaign of all kinds (benchmarks.campaign)
    python -m benchmarks.faults --faults 500 --seed 0 --json FILE --continue --minutes 30       a further piece of it

A folder of pictures is shown once, through as many starts of `inspector station run` as it takes. The truth is the
folder: each picture must end up with exactly one row, with an outcome or a reason, and each stored image must be there
and be what its hash says. A part that was let go (the output said PASS) and is not PASS in the ledger is counted apart.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks import report
from db.engine import open_engine
from db.images import ImageStore
from db.queries import open_count, records, runs
from inspector.bundle import load_bundle
from inspector.errors import StorageFault
from inspector.preprocess import decode_image, read_image
from inspector.values import InspectionRecord, Outcome, ViewInspection

PACE_HZ = 60
_JPEG_DIFFERENCE = 8.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was done to the station, and where it left its account."""

    folder: Path
    pictures: tuple[str, ...]
    kills: Counter[str]
    starts: int
    cameras: int = 1


def main() -> None:
    parser = report.arguments("kill -9 campaign on a real station")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that the station runs")
    parser.add_argument("--kills", type=int, default=50, help="kills, of the line or the vision process at random")
    parser.add_argument("--faults", type=int, default=0, help="instead of kills alone: so many faults of every kind")
    parser.add_argument("--kinds", default="", help="with --faults: of these kinds only, with commas between them")
    parser.add_argument(
        "--continue", dest="go_on", action="store_true", help="with --faults: go on with FILE's campaign"
    )
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="with --faults: begin no further fault after so long"
    )
    parser.add_argument("--cameras", type=int, choices=(1, 2), default=1, help="views of each part, a process for each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and victims")
    args = parser.parse_args()
    if args.faults:
        _campaign(args)
        return
    with tempfile.TemporaryDirectory() as scratch:
        report.write(figures(kill_campaign(Path(scratch), args.bundle, args.kills, args.seed, args.cameras)), args.json)


def _campaign(args: argparse.Namespace) -> None:
    from benchmarks.campaign import run_campaign
    from benchmarks.pieces import Figures, Pieces, keep_pieces, read_pieces
    from benchmarks.sabotage import FAULTS

    only = [kind for kind in args.kinds.split(",") if kind]
    if unknown := set(only) - set(FAULTS):
        raise SystemExit(f"--kinds: no fault is called {sorted(unknown)[0]!r}; there are {', '.join(FAULTS)}")
    if args.go_on and args.json is None:
        raise SystemExit("--continue: expected --json FILE, beside which the pieces of the campaign lie")
    pieces = read_pieces(args.json, args.seed, only) if args.go_on else Pieces(args.seed, tuple(only))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that peers, station and disk go with it

    def keep(piece: Figures) -> None:
        if args.json is not None:
            report.keep(pieces.with_piece(piece), args.json)
            keep_pieces(args.json, pieces, piece)

    until_s = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        piece = run_campaign(Path(scratch) / "site", args.bundle, args.faults, pieces, keep, until_s)
        keep(piece)
        report.write(pieces.with_piece(piece), args.json)


def kill_campaign(folder: Path, bundle: Path, kills: int, seed: int, cameras: int = 1) -> Campaign:
    """Run a station over a folder of pictures, killing it `kills` times, then let it finish.

    With two cameras both show the same folder, each in a process of its own: the views of a row must be one picture.
    """
    chance = random.Random(seed)
    names = _write_pictures(folder / "pictures", bundle, count=30 * kills + 60)
    config = _write_config(folder, bundle, cameras)
    images = folder / "station" / "images"
    done: Counter[str] = Counter()
    starts = 0
    while done.total() < kills:
        station = _start(config)
        starts += 1
        victim = _kill_once(station, chance, images)
        if victim == "vision":
            done[victim] += 1
            victim = _kill_once(station, chance, images, only="line")
        if victim is None:
            break
        done[victim] += 1
        station.wait()
    _start(config).wait(600)
    return Campaign(folder, names, done, starts + 1, cameras)


def figures(campaign: Campaign) -> dict[str, float | int | str]:
    """Count what must be zero: pictures without a row, rows doubled, open rows, rows whose image is missing."""
    engine = open_engine(f"sqlite:///{campaign.folder / 'station' / 'ledger.sqlite'}")
    with engine.connect() as connection:
        rows = [part for run in runs(connection) for part in records(connection, run.run_id)]
        still_open = open_count(connection)
    engine.dispose()
    per_picture = Counter(part.source for part in rows)
    outcomes = Counter(part.outcome for part in rows)
    return {
        "pictures_without_a_row": sum(per_picture[name] == 0 for name in campaign.pictures),
        "pictures_with_two_rows": sum(count > 1 for count in per_picture.values()),
        "open_rows": still_open,
        "rows_without_reason": sum(part.outcome is not Outcome.PASS and not part.reasons for part in rows),
        "images_missing_or_wrong": sum(not _is_right(part, campaign.folder) for part in rows),
        "views_of_another_picture": sum(view.source != part.source for part in rows for view in part.views),
        "view_images_missing_or_wrong": sum(
            not _is_right(view, campaign.folder) for part in rows for view in part.views
        ),
        "passed_without_every_view": sum(
            part.outcome is Outcome.PASS and len(part.views) < campaign.cameras for part in rows
        ),
        "images_stored": sum(part.image_sha256 is not None for part in rows),
        "pictures": len(campaign.pictures),
        "rows": len(rows),
        "not_inspected": outcomes[Outcome.NOT_INSPECTED],
        "kills_of_line": campaign.kills["line"],
        "kills_of_vision": campaign.kills["vision"],
        "starts": campaign.starts,
    }


def _is_right(part: InspectionRecord | ViewInspection, folder: Path) -> bool:
    """Tell whether the image of a row or a view is there and shows its picture; others differ by some 17 levels."""
    if part.image_sha256 is None:
        return True
    try:
        stored = decode_image(ImageStore(folder / "station" / "images").read(part.image_sha256), part.image_sha256)
    except StorageFault:
        return False
    picture = read_image(folder / "pictures" / part.source)
    return bool(np.abs(stored.astype(np.int16) - picture).mean() < _JPEG_DIFFERENCE)


def _write_pictures(folder: Path, bundle: Path, count: int) -> tuple[str, ...]:
    """Write pictures that differ in every pixel: grey noise (JPEG keeps it) from dark to bright."""
    folder.mkdir(parents=True)
    spec = load_bundle(bundle).manifest.input
    noise = np.random.default_rng(0)
    names = tuple(f"{number:05}.bmp" for number in range(count))
    for number, name in enumerate(names):
        level = 30 + 200 * (number % 7) / 6
        picture = np.clip(noise.normal(level, 15, (spec.height, spec.width)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    return names


def _write_config(folder: Path, bundle: Path, cameras: int) -> Path:
    config = folder / "station.toml"
    config.write_text(
        f'[station]\nname = "faults"\nfolder = "station"\nbundle = "{bundle.absolute()}"\nkeep_images = "all"\n'
        + "".join(_camera(number) for number in range(cameras))
    )
    return config


def _camera(number: int) -> str:
    """Return the block of a camera; only the first one, whose exposures are the parts, keeps a pace."""
    pace = f"pace_hz = {PACE_HZ}\n" if number == 0 else ""
    return f'[[camera]]\nkind = "folder"\nname = "view-{number}"\ngroup = "vision-{number}"\npath = "pictures"\n{pace}'


def _start(config: Path) -> subprocess.Popen[bytes]:
    command: Sequence[str] = (sys.executable, "-m", "inspector.cli", "station", "run", str(config))
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _kill_once(
    station: subprocess.Popen[bytes], chance: random.Random, images: Path, only: str | None = None
) -> str | None:
    """Wait until the vision process is there and a random moment more, kill one; None if the station has ended.

    Four times in five the moment counts from the first new image: on a busy machine it would else come before any part.
    """
    delay_s = chance.uniform(0.0, 0.3)
    victim = only or chance.choice(("line", "vision"))
    while (vision := _vision(station.pid, chance)) is None:
        if station.poll() is not None:
            return None
        time.sleep(0.01)
    if chance.random() < 0.8:
        _await_an_image(station, images)
    time.sleep(delay_s)
    if station.poll() is not None:
        return None
    os.kill(station.pid if victim == "line" else (_vision(station.pid, chance) or vision), signal.SIGKILL)
    return victim


def _await_an_image(station: subprocess.Popen[bytes], images: Path) -> None:
    before = len(list(images.rglob("*.jpg")))
    while station.poll() is None and len(list(images.rglob("*.jpg"))) == before:
        time.sleep(0.01)


def _vision(pid: int, chance: random.Random) -> int | None:
    """Return the id of one of a station's vision processes; multiprocessing's spawn starts them."""
    try:
        found = [child for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return None
    return int(chance.choice(found).pid) if found else None


if __name__ == "__main__":
    main()
