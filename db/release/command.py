"""`inspector release`: an approved bundle on its way to the line, and back."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import DatabaseError, ReleaseRefused, UserError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.release.rows import Release
    from db.release.stepping import Progress

HELP = "bring a candidate to the line: approval, shadow, comparison, watch, all stations; and back"
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    start = _verb(verbs, "start", "begin the release of a candidate", _start)
    start.add_argument("bundle", type=Path, metavar="BUNDLE", help="where every station finds it")
    start.add_argument("--settings", type=Path, required=True, metavar="FILE", help="release.toml")
    approve = _verb(verbs, "approve", "approve it; with as many persons as the settings want, it goes on", _approve)
    back = _verb(verbs, "back", "end it, and let every station serve what served before", _back)
    for verb in (approve, back):
        verb.add_argument("release", metavar="RELEASE", help="its id, or how that begins")
    for verb in (start, approve, back):
        verb.add_argument("--reason", required=True, metavar="TEXT", help="why")
        verb.add_argument("--by", metavar="NAME", help="who says so (default: the account's name)")
    status = _verb(verbs, "status", "how far releases are, and what they wait for", _status)
    status.add_argument("--json", type=Path, metavar="FILE", help="write it")
    _verb(verbs, "step", "take every step that can be taken now; for a timer", _step)
    work = _verb(verbs, "work", "take steps as they can be taken, until SIGTERM", _work)
    work.add_argument("--every", type=float, default=2.0, metavar="S", help="look again so often (default: 2)")


def _verb(verbs: Any, name: str, words: str, action: Any) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=words, description=words)
    verb.add_argument("--database", metavar="URL", help="the plant's URL or file (default: the demo's ledger)")
    verb.set_defaults(run=action)
    return verb


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)


def _start(args: argparse.Namespace) -> int:
    from db.engine import writing
    from db.release.rows import Release, begin
    from inspector.bundle import load_bundle
    from inspector.release.settings import load_release_settings

    settings, bundle = load_release_settings(args.settings), load_bundle(args.bundle)
    recipe = _recipe_at(settings.station[0].name, settings.station[0].database)
    release = Release(bundle.id, str(bundle.path.resolve()), recipe, settings, _by(args), args.reason)
    with _plant(args) as plant, writing(plant) as connection:
        print(begin(connection, release))
    return 0


def _recipe_at(station: str, database: str) -> str:
    """What the first station serves now; raise ReleaseRefused where it has never run."""
    from db.engine import open_engine, storage_errors
    from db.servings import last_serving

    engine = open_engine(database)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            served = last_serving(connection, station)
    finally:
        engine.dispose()
    if served is None:
        raise ReleaseRefused(f"station {station}: it has never served anything; expected one that runs")
    return served.recipe


def _approve(args: argparse.Namespace) -> int:
    from db.engine import writing
    from db.release.rows import approve, find_release

    with _plant(args) as plant:
        with writing(plant) as connection:
            release = find_release(connection, args.release)
            count = approve(connection, release, _by(args), args.reason)
        print(f"{count} of {release.settings.approvals} approvals")
        return _advance(plant, release)


def _back(args: argparse.Namespace) -> int:
    from db.engine import storage_errors
    from db.release.rows import find_release
    from db.release.stepping import Stations, go_back

    with _plant(args) as plant:
        with storage_errors(plant.url), plant.connect() as connection:
            release = find_release(connection, args.release)
        with Stations(release) as stations:
            step = go_back(plant, release, stations, _by(args), args.reason)
        print(f"step {step.number}: {step.move.kind} {step.move.station or ''}".rstrip())
        return _advance(plant, release)


def _step(args: argparse.Namespace) -> int:
    with _plant(args) as plant:
        return max([_advance(plant, release) for release in _open(plant)], default=0)


def _work(args: argparse.Namespace) -> int:
    if not args.every > 0:
        raise UserError(f"--every: expected more than 0 s, got {args.every:g}")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    fault = ""
    while not stop.is_set():
        try:
            with _plant(args) as plant:
                for release in _open(plant):
                    _advance(plant, release)
            fault = ""
        except DatabaseError as error:
            if str(error) != fault:
                logger.warning("releases cannot go on: %s", error)
            fault = str(error)
        stop.wait(args.every)
    return 0


def _open(plant: Engine) -> list[Release]:
    from db.engine import storage_errors
    from db.release.rows import open_releases

    with storage_errors(plant.url), plant.connect() as connection:
        return open_releases(connection)


def _advance(plant: Engine, release: Release) -> int:
    from db.release.stepping import Stations, advance

    with Stations(release) as stations:
        for step in advance(plant, release, stations):
            move = step.move
            where = f" at {move.station}" if move.station else ""
            print(f"{release.subject}: step {step.number}: {move.kind}{where}: {move.reason}", flush=True)
    return 0


def _status(args: argparse.Namespace) -> int:
    from db.engine import storage_errors
    from db.release.rows import releases
    from db.release.stepping import Stations, progress

    told = []
    with _plant(args) as plant:
        with storage_errors(plant.url), plant.connect() as connection:
            every = releases(connection)
        for release in every:
            with Stations(release) as stations:
                told.append(_document(release, progress(plant, release, stations)))
    for document in told:
        _print(document)
    if args.json:
        try:
            args.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{args.json}: cannot be written ({error.strerror})") from error
    return 0


def _document(release: Release, now: Progress) -> dict[str, Any]:
    from inspector.release.chain import waits_for

    steps = [
        {
            "number": step.number,
            "kind": step.move.kind.value,
            "station": step.move.station,
            "person": step.move.person,
            "reason": step.move.reason,
            "before": step.before,
        }
        for step in now.steps
    ]
    return {
        "release_id": str(release.release_id),
        "bundle_id": release.bundle_id,
        "recipe": release.recipe,
        "stations": [each.name for each in release.settings.station],
        "begun_at": release.at.isoformat(),
        "person": release.person,
        "reason": release.reason,
        "steps": steps,
        "waits_for": waits_for(release.settings, now.steps, now.seen),
    }


def _print(document: dict[str, Any]) -> None:
    stations = ", ".join(document["stations"])
    print(
        f"{document['release_id']} bundle {document['bundle_id'][:16]} for {stations}; {document['person']}: ", end=""
    )
    print(document["reason"])
    for step in document["steps"]:
        where = f" at {step['station']}" if step["station"] else ""
        print(f"{step['number']:>4} {step['kind']}{where}; {step['person']}: {step['reason']}")
    if document["waits_for"]:
        print(f"     waits: {document['waits_for']}")


def _by(args: argparse.Namespace) -> str:
    return args.by or getpass.getuser()


@contextmanager
def _plant(args: argparse.Namespace) -> Iterator[Engine]:
    from db.engine import default_url, open_engine

    engine = open_engine(args.database or default_url())
    try:
        yield engine
    finally:
        engine.dispose()
