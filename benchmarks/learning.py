"""Kill -9 of a retraining worker at random moments: does each job end with one bundle, and none half written?

    python -m benchmarks.learning --kills 30 --json FILE
    python -m benchmarks.learning --gate DATASET --parent BUNDLE --good LABEL   # see benchmarks/candidates.py

A ledger of rendered parts with labels; one job after the other is queued, and workers (`inspector retrain once`, the
real training of a small network) are killed until so many kills are done; then the job is brought to its end. After
each kill every bundle that can be seen must load.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import Engine, update

from benchmarks import report
from db.engine import open_engine, writing
from db.images import ImageStore
from db.jobs import Job, JobState, JobStatus, enqueue, find_job
from db.labels import Label, add_label
from db.ledger import Ledger
from db.records import Run, utc_now
from db.work_tables import TRAINING_JOBS
from inspector.bundle import load_bundle
from inspector.errors import BundleError
from inspector.ids import new_id
from inspector.recipe import Recipe, load_recipe
from inspector.values import Image, InspectionRecord, Outcome, PartTag

PARTS, LOTS, SIDE_PX = 240, 60, 64
LONGEST_S = 40.0
"""A worker is killed at a random moment of this time, or has ended before."""
RECIPE = f"""
backbone = "compact"
golden_per_bundle = 4
input = {{ height = {SIDE_PX}, width = {SIDE_PX} }}
[fit]
epochs = 12
batch_size = 8
learning_rate = 0.01
[quantise]
images = 8
float_flips = 1.0
int8_flips = 1.0
max_drop = 1.0
fine_tune_s = 0
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the jobs and their bundles lie."""

    folder: Path
    engine: Engine

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"


def main() -> None:
    parser = report.arguments("kill -9 of a retraining worker")
    parser.add_argument("--kills", type=int, default=30, help="kills, at random moments")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--gate", type=Path, metavar="DATASET", help="instead: worse and equal candidates at the gate")
    parser.add_argument("--parent", type=Path, metavar="BUNDLE", help="--gate: whose features candidates are made of")
    parser.add_argument("--good", metavar="LABEL", default="good", help="--gate: label of defect-free parts")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="--gate: recipe with the gate's margins")
    parser.add_argument("--tries", type=int, default=20, help="--gate: candidates of each kind")
    args = parser.parse_args()
    if args.gate is not None and args.parent is None:
        parser.error("--gate needs --parent")
    with tempfile.TemporaryDirectory() as scratch:
        report.write(
            at_the_gate(args, Path(scratch)) if args.gate else campaign(Path(scratch), args.kills, args.seed), args.json
        )


def at_the_gate(args: argparse.Namespace, folder: Path) -> Mapping[str, int | float | str]:
    from benchmarks import candidates

    gate = (load_recipe(args.recipe) if args.recipe else Recipe()).gate
    bench = candidates.Bench(args.gate, folder, load_bundle(args.parent), args.good, gate)
    return candidates.campaign(bench, args.tries)


def campaign(folder: Path, kills: int, seed: int) -> Mapping[str, int | float]:
    """Kill workers until it is enough, bring the last job to its end, and count what came of all."""
    rng = random.Random(seed)
    make_site(folder)
    engine = open_engine(folder / "ledger.sqlite")
    site = Site(folder, engine)
    ended: list[JobStatus] = []
    said, torn = Counter[str](), 0
    while said["killed"] < kills or not ended:
        job = Job("default", "bench", "kill -9", {"training": RECIPE}, most_attempts=10_000)
        with writing(engine) as connection:
            enqueue(connection, job)
        while (now := status_of(site, job)).state not in (JobState.SUCCEEDED, JobState.FAILED):
            said["killed" if run_worker(site, rng if said["killed"] < kills else None) else "ended"] += 1
            torn += half_written(site)
            let_lease_end(site, job)
        ended.append(now)
    engine.dispose()
    return figures(site, ended, said, torn)


def figures(site: Site, ended: list[JobStatus], said: Counter[str], torn: int) -> Mapping[str, int | float]:
    """Return what must hold first: bundles beyond one a job, and those that did not load."""
    whole = [path for path in site.bundles.iterdir() if not path.name.startswith(".")]
    succeeded = [one for one in ended if one.state is JobState.SUCCEEDED]
    return {
        "bundles_too_many": len(whole) - len(succeeded),
        "half_written_seen": torn,
        "jobs_failed": len(ended) - len(succeeded),
        "kills": said["killed"],
        "jobs": len(ended),
        "attempts": sum(one.attempt for one in ended),
        "bundles": len(whole),
    }


def run_worker(site: Site, rng: random.Random | None) -> bool:
    """Start a worker, and kill it after a random time; True where it was killed, False where it ended before."""
    folders = {"images": "images", "bundles": "bundles", "folder": "jobs"}
    words = [word for name, place in folders.items() for word in (f"--{name}", str(site.folder / place))]
    command = [
        sys.executable,
        "-m",
        "inspector.cli",
        "retrain",
        "once",
        "--database",
        str(site.folder / "ledger.sqlite"),
        "--nice",
        "0",
    ]
    with subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(None if rng is None else rng.uniform(0.5, LONGEST_S))
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True


def half_written(site: Site) -> int:
    """Count bundles that can be seen and do not load."""
    torn = 0
    for path in site.bundles.iterdir() if site.bundles.is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            load_bundle(path)
        except BundleError:
            torn += 1
    return torn


def let_lease_end(site: Site, job: Job) -> None:
    """Do not wait two minutes after each kill: the lease ended a second ago."""
    with writing(site.engine) as connection:
        mine = (TRAINING_JOBS.c.job_id == job.job_id) & TRAINING_JOBS.c.lease_until.is_not(None)
        past = {"lease_until": utc_now() - timedelta(seconds=1)}
        connection.execute(update(TRAINING_JOBS).where(mine).values(past))
    time.sleep(0.1)


def status_of(site: Site, job: Job) -> JobStatus:
    with site.engine.connect() as connection:
        return find_job(connection, job.job_id)


def make_site(folder: Path) -> None:
    """Write a ledger with labelled parts, a third of each kind, four of them a lot, and their pictures."""
    rng, store = np.random.default_rng(0), ImageStore(folder / "images")
    kinds = ("good", "scratch", "stain")
    run = Run("press", "default", "r", "{}", "b" * 64, "classify", kinds, {"good": ["good"]})
    parts = []
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.start_run(run)
        for number in range(PARTS):
            kind = kinds[number % 3]
            image = store.put(cv2.imencode(".png", drawn(kind, rng))[1].tobytes(), ".png")
            tag = PartTag(lot=f"L{number % LOTS}")
            part = InspectionRecord(
                new_id(), run.run_id, "press", "default", run.bundle_id, number + 1, f"{number}.png", utc_now(), tag=tag
            )
            ledger.open_part(part)
            judged = replace(
                part,
                outcome=Outcome.REJECT,
                label=kind,
                defect_probability=0.9,
                completed_at=utc_now(),
                image_sha256=image.sha256,
            )
            ledger.complete_part(judged, image)
            parts.append((part.part_id, kind))
        ledger.end_run(run.run_id, clean=True).result(120)
    engine = open_engine(folder / "ledger.sqlite")
    with writing(engine) as connection:
        for part_id, kind in parts:
            add_label(connection, Label(part_id, kind, "ann", blind=True))
    engine.dispose()


def drawn(kind: str, rng: np.random.Generator) -> Image:
    """A grey surface with noise, and on it a bright line or a dark spot."""
    picture = rng.normal(120, 8, (SIDE_PX, SIDE_PX, 3)).clip(0, 255).astype(np.uint8)
    x, y = (int(place) for place in rng.integers(12, SIDE_PX - 12, 2))
    if kind == "scratch":
        cv2.line(picture, (x - 8, y - 6), (x + 8, y + 6), (230, 230, 230), 2)
    elif kind == "stain":
        cv2.circle(picture, (x, y), 6, (40, 40, 40), -1)
    return picture


if __name__ == "__main__":
    main()
