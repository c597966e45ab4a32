"""`inspector retrain queue|jobs|cancel|once|work`: training jobs, from who wants one to the worker that does it."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from inspector.documents import parse
from inspector.errors import ConfigError, JobRefused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from training.jobs.worker import Worker


def add_queue(verb: argparse.ArgumentParser) -> None:
    _database(verb)
    verb.add_argument("recipe", metavar="RECIPE", help="name of the recipe whose labels are learned from")
    verb.add_argument("--reason", required=True, metavar="TEXT", help="why")
    verb.add_argument("--by", metavar="NAME", help="who wants it (default: the account's name)")
    verb.add_argument("--parent", metavar="ID", help="id of the serving bundle, which the new one is held against")
    verb.add_argument("--task", default="classify", help="of the network (default: classify)")
    verb.add_argument("--minutes", type=float, metavar="M", help="time for the training")
    verb.add_argument("--seed", type=int, default=0, metavar="N")
    start = verb.add_mutually_exclusive_group()
    start.add_argument("--fast", action="store_true", help="keep the parent's features, fit what reads them")
    start.add_argument("--warm", action="store_true", help="start from the parent's weights")
    verb.add_argument("--training", type=Path, metavar="FILE", help="training recipe (TOML)")
    verb.set_defaults(run=_queue)


def add_jobs(verb: argparse.ArgumentParser) -> None:
    _database(verb)
    verb.set_defaults(run=_jobs)


def add_cancel(verb: argparse.ArgumentParser) -> None:
    _database(verb)
    verb.add_argument("job", metavar="JOB", help="its id")
    verb.add_argument("--reason", required=True, metavar="TEXT", help="why")
    verb.add_argument("--by", metavar="NAME", help="who cancels it (default: the account's name)")
    verb.set_defaults(run=_cancel)


def add_once(verb: argparse.ArgumentParser) -> None:
    _worker_arguments(verb)
    verb.set_defaults(run=_once)


def add_work(verb: argparse.ArgumentParser) -> None:
    _worker_arguments(verb)
    verb.set_defaults(run=_work)


def _database(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--database", metavar="URL", help="URL or file (default: the demo's ledger)")


def _worker_arguments(verb: argparse.ArgumentParser) -> None:
    _database(verb)
    verb.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="root of the image store")
    verb.add_argument("--bundles", type=Path, required=True, metavar="DIR", help="where finished bundles appear")
    verb.add_argument("--folder", type=Path, required=True, metavar="DIR", help="data sets, checkpoints, logs, by job")
    verb.add_argument("--recipe", type=Path, metavar="FILE", help="recipe (TOML) with the gate's margins")
    verb.add_argument("--nice", type=int, default=10, metavar="N", help="how far it stands back (default: 10)")
    verb.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the training (default: 1)")
    verb.add_argument("--memory-mb", type=int, metavar="MB", help="address space of the training (default: no limit)")


def _queue(args: argparse.Namespace) -> int:
    from db.engine import writing
    from db.jobs import Job, enqueue
    from inspector.documents import read_bytes
    from training.jobs.settings import JobSettings

    words = read_bytes(args.training, ConfigError).decode(errors="replace") if args.training else ""
    start = "fast" if args.fast else "warm" if args.warm else "anew"
    if start != "anew" and args.parent is None:
        raise JobRefused(f"--{start}: expected --parent, the bundle to start from")
    said = {"task": args.task, "minutes": args.minutes, "seed": args.seed, "training": words, "start": start}
    settings = parse("--task, --minutes, --seed", said, JobSettings, JobRefused).model_dump(mode="json")
    by = args.by or getpass.getuser()
    with _engine(args.database) as engine, writing(engine) as connection:
        print(enqueue(connection, Job(args.recipe, by, args.reason, settings, parent_bundle_id=args.parent)))
    return 0


def _jobs(args: argparse.Namespace) -> int:
    from db.engine import storage_errors
    from db.jobs import jobs

    with _engine(args.database) as engine, storage_errors(engine.url), engine.connect() as connection:
        for one in jobs(connection):
            job, made = one.job, f" bundle {one.bundle_id[:16]}" if one.bundle_id else ""
            print(f"{job.job_id} {job.recipe} {one.state} {100 * one.progress:.0f} %{made}; {job.person}: {job.reason}")
            if one.message:
                print(f"     {one.message}")
    return 0


def _cancel(args: argparse.Namespace) -> int:
    from db.engine import writing
    from db.jobs import cancel

    try:
        job_id = UUID(args.job)
    except ValueError as error:
        raise JobRefused(f"job {args.job!r}: expected an id, as `inspector retrain jobs` lists them") from error
    with _engine(args.database) as engine, writing(engine) as connection:
        cancel(connection, job_id, args.by or getpass.getuser(), args.reason, datetime.now(UTC))
    return 0


def _once(args: argparse.Namespace) -> int:
    from db.jobs import find_job

    with _engine(args.database) as engine:
        held = _worker(args, engine).once()
        if held is None:
            print("no job waits")
            return 0
        with engine.connect() as connection:
            now = find_job(connection, held.job.job_id)
    print(f"job {held.job.job_id}: {now.state}: {now.message}")
    return 0 if now.bundle_id else 1


def _work(args: argparse.Namespace) -> int:
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, end)
    with _engine(args.database) as engine:
        try:
            _worker(args, engine).work(stop)
        except KeyboardInterrupt:
            if not stop.is_set():
                raise
    return 0


def _worker(args: argparse.Namespace, engine: Engine) -> Worker:
    from db.records import utc_now
    from training.jobs.running import Children
    from training.jobs.settings import WorkerSettings
    from training.jobs.work import Shop
    from training.jobs.worker import Worker

    names = ("images", "bundles", "folder", "recipe", "nice", "threads", "memory_mb")
    settings = parse("retrain", {name: getattr(args, name) for name in names}, WorkerSettings, ConfigError)
    owner = f"{socket.gethostname()[:64]} {os.getpid()} {utc_now().isoformat(timespec='milliseconds')}"
    return Worker(Shop(engine, settings, Children(settings), utc_now), owner)


@contextmanager
def _engine(database: str | None) -> Iterator[Engine]:
    from db.engine import default_url, open_engine

    engine = open_engine(database or default_url())
    try:
        yield engine
    finally:
        engine.dispose()
