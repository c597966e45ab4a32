"""A worker that stops where it is told to, so that it can be killed there: DATABASE FOLDER MINUTES MOMENT.

Its clock is so many minutes late, so that leases of workers killed before have ended. It trains nothing: each training
writes another bundle.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from db.engine import open_engine
from inspector.bundle import Lineage, write_bundle
from tests.conftest import brightness_network, bundle_files, manifest
from training.jobs.settings import WorkerSettings
from training.jobs.work import Shop
from training.jobs.worker import Worker

MOMENTS = ("freezing labels", "training", "bundle written")


class Steps:
    """Commands that do nothing but write a bundle; hangs at one moment."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def run(self, words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        out = Path(words[words.index("--out") + 1])
        beat(0.5, "epoch 1/2")
        self.reach("training")
        made = Lineage(dataset="set", dataset_hash="0" * 64, code_version="0", seed=0, created_at=datetime.now(UTC))
        write_bundle(out, manifest(lineage=made), bundle_files(brightness_network()))
        self.reach("bundle written")
        return 0

    def reach(self, moment: str) -> None:
        if moment == self._moment:
            print(moment, flush=True)
            time.sleep(280)


def main(database: str, folder: Path, minutes: int, moment: str) -> None:
    steps, asked = Steps(moment), []

    def clock() -> datetime:
        asked.append(None)
        if len(asked) == 2:  # the first is for the lease
            steps.reach("freezing labels")
        return datetime.now(UTC) + timedelta(minutes=minutes)

    engine = open_engine(database)
    settings = WorkerSettings(images=folder / "images", bundles=folder / "bundles", folder=folder / "jobs")
    Worker(Shop(engine, settings, steps, clock), f"worker {minutes}").once()
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
