"""One job from its labels to a candidate: snapshot, training, gate; each step can be begun again after a kill.

    snapshot frozen -> data set written -> trained (goes on from its checkpoint) -> bundle placed -> gate -> finished

Whatever a kill leaves lies in the job's own folder and is used by the next attempt. A bundle appears among the others
by one rename, and which one it is was settled before, so that two attempts place the same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from db.bundle_states import BundleState, StateChange, set_state, state_of
from db.bundles import KnownBundle, register_bundle
from db.challenges import seen_challenges
from db.engine import writing
from db.jobs import HeldJob, finish, progress, use_snapshot
from db.material.manifest import SnapshotManifest
from db.material.previewing import load_snapshot
from db.snapshots import find_snapshot
from inspector.bundle import ID_DIGITS, LATEST, Bundle, load_bundle
from inspector.documents import parse, read_json
from inspector.errors import BundleError, JobRefused
from training.gate.evidence import REFUSED, GateReport
from training.jobs.challenges import write_challenges
from training.jobs.running import CommandFailed, Commands, last_words
from training.jobs.settings import JobSettings, WorkerSettings
from training.snapshots.freezing import freeze_labels, write_dataset

PERSON = "retrain worker"
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Shop:
    """Everything that working on a job needs."""

    engine: Engine
    settings: WorkerSettings
    commands: Commands
    clock: Clock

    def folder(self, held: HeldJob) -> Path:
        return self.settings.folder / str(held.job.job_id)


def do_job(shop: Shop, held: HeldJob) -> str:
    """Do a job, and return the id of its bundle.

    Raises:
        JobLost: cancelled, or taken by another worker; whatever ran was stopped.
        UserError, CommandFailed: it cannot be done; the next attempt would meet the same.
    """
    asked = parse(f"job {held.job.job_id}: settings", dict(held.job.settings), JobSettings, JobRefused)
    folder = shop.folder(held)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _snapshot(shop, held, asked)
    dataset = folder / "dataset"
    if not dataset.is_dir():
        write_dataset(manifest, shop.settings.images, dataset)
    if not (folder / "out" / LATEST).is_file():
        _train(shop, held, asked, manifest)
    bundle = place_bundle(load_bundle(folder / "out"), shop.settings.bundles)
    state, said = _gate(shop, held, bundle)
    _conclude(shop, held, bundle, state, said)
    return bundle.id


def _snapshot(shop: Shop, held: HeldJob, asked: JobSettings) -> SnapshotManifest:
    """Return what the job learns from: what it names, or an earlier attempt froze, else the labels up to now."""
    with writing(shop.engine) as connection:
        progress(connection, held, 0.0, "freezing labels", shop.clock())
        if held.job.snapshot_id is not None:
            return load_snapshot(connection, find_snapshot(connection, held.job.snapshot_id))
        frozen, manifest = freeze_labels(connection, held.job.recipe, shop.clock(), PERSON, asked.shares)
        use_snapshot(connection, held, frozen.snapshot_id)
    return manifest


def _train(shop: Shop, held: HeldJob, asked: JobSettings, manifest: SnapshotManifest) -> None:
    """Train into the job's folder; a checkpoint that an earlier attempt left there is gone on from.

    The bundle's time of making is the moment up to which labels were taken: so it depends on nothing but what it was
    made of, and one made of older labels is the older one.
    """
    folder = shop.folder(held)
    recipe = folder / "training.toml"
    words = ["train", str(folder / "dataset"), "--task", asked.task, "--out", str(folder / "out")]
    words += ["--seed", str(asked.seed), *(["--good", ",".join(manifest.good)] if manifest.good else [])]
    words += ["--made-at", manifest.label_cutoff.isoformat(), *_start(shop, held, asked)]
    if asked.training:
        recipe.write_text(asked.training, encoding="utf-8")
        words += ["--recipe", str(recipe)]
    if asked.minutes is not None:
        words += ["--minutes", f"{asked.minutes:g}"]
    _run(shop, held, "train", words, {0})


def _start(shop: Shop, held: HeldJob, asked: JobSettings) -> list[str]:
    """Return the words that say what a training starts from."""
    if asked.start == "anew":
        return []
    parent = held.job.parent_bundle_id
    if parent is None:
        raise JobRefused(f"job {held.job.job_id}: settings: start: {asked.start} needs a parent bundle")
    words = ["--parent", str(shop.settings.bundles / parent[:ID_DIGITS])]
    return [*words, "--fast", "--features", str(shop.settings.folder / "features")] if asked.start == "fast" else words


def _run(shop: Shop, held: HeldJob, name: str, words: list[str], allowed: set[int]) -> int:
    """Run a command with its own log; its words are the job's message, and each is a beat."""
    log = shop.folder(held) / f"{name}.log"
    done = 0.0

    def beat(share: float, said: str) -> None:
        nonlocal done
        done = max(done, share)
        with writing(shop.engine) as connection:
            progress(connection, held, done, f"{name}: {said}", shop.clock())

    status = shop.commands.run(words, log, beat)
    if status not in allowed:
        raise CommandFailed(f"{name}: exit status {status}: {last_words(log)}")
    return status


def place_bundle(bundle: Bundle, bundles: Path) -> Bundle:
    """Copy a bundle to where it may be seen, whole or not at all; one that is there already stays. Return it there."""
    target, scratch = bundles / bundle.id[:ID_DIGITS], None
    try:
        bundles.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            scratch = Path(tempfile.mkdtemp(prefix=".placing-", dir=bundles))
            shutil.copytree(bundle.path, scratch, dirs_exist_ok=True)
            scratch.chmod(0o755)
            scratch.rename(target)
    except OSError as error:
        raise BundleError(f"{target}: bundle cannot be placed ({error.strerror})") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return load_bundle(target)


def _gate(shop: Shop, held: HeldJob, bundle: Bundle) -> tuple[BundleState, str]:
    """Hold the bundle against the job's parent; return what becomes of it, and why."""
    parent = held.job.parent_bundle_id
    if parent is None:
        return BundleState.CANDIDATE, "the first of its kind: there was no bundle to hold it against"
    folder = shop.folder(held)
    words = ["retrain", "gate", str(bundle.path), str(shop.settings.bundles / parent[:ID_DIGITS])]
    words += [str(folder / "dataset"), "--json", str(folder / "gate.json"), "--html", str(folder / "gate.html")]
    with shop.engine.connect() as connection:
        seen = seen_challenges(connection, held.job.recipe, shop.clock())
    if challenge := write_challenges(seen, shop.settings.images, folder / "challenge"):
        words += ["--challenge", str(challenge)]
    if shop.settings.recipe is not None:
        words += ["--recipe", str(shop.settings.recipe)]
    status = _run(shop, held, "gate", words, {0, REFUSED})
    report = read_json(folder / "gate.json", GateReport, BundleError)
    if status == REFUSED:
        return BundleState.REFUSED, "; ".join(report.reasons)
    return BundleState.CANDIDATE, f"not worse than bundle {parent[:ID_DIGITS]} on {report.parts} parts"


def _conclude(shop: Shop, held: HeldJob, bundle: Bundle, state: BundleState, said: str) -> None:
    """Make the bundle known, say what became of it, and end the job: all at once or not at all."""
    content = bundle.manifest.model_dump(mode="json")
    known = KnownBundle(bundle.id, bundle.manifest.task, bundle.manifest.classes, content)
    with writing(shop.engine) as connection:
        register_bundle(connection, known)
        if state_of(connection, bundle.id) is None:
            set_state(connection, StateChange(bundle.id, state, PERSON, said, at=shop.clock()))
        finish(connection, held, bundle.id, f"{state}: {said}", shop.clock())
