"""Candidates on their way to a running line: does one that turns bad go back by itself, and an equal one arrive?

    python -m benchmarks.release --tries 20 --json FILE

Each try is a station of its own (line and vision process, folder camera with rendered parts, the demo's bundle) and a
candidate that is the same network under another id: it passes any gate. The release begins; when the candidate serves,
in the tries that are to go bad the light falls to a half, by exchange of the pictures that the camera reads. What is
counted is parts: from the one that the candidate judged first to the order that took it back.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
from sqlalchemy import Engine, func, select

from benchmarks import report
from db.bundle_states import BundleState, StateChange, set_state
from db.bundles import KnownBundle, register_bundle
from db.engine import open_engine, writing
from db.queries import latest_run
from db.release.evidence import stopped_since
from db.release.rows import Release, approve, begin, dated_steps, steps_of
from db.release.stepping import Stations, advance
from db.servings import Serving, last_serving
from db.tables import INSPECTIONS
from inspector.bundle import load_bundle, write_bundle
from inspector.preprocess import read_image
from inspector.release.chain import ENDS, Move, StepKind
from inspector.release.settings import ReleaseSettings, ReleaseStation, ShadowSettings, WatchSettings
from station.config import StationConfig, station_config
from station.demo.render import render
from station.running import run_station

DEMO = Path(__file__).resolve().parents[1] / "station" / "demo" / "bundle"
STATION, PICTURES, RATE_HZ, SEED = "press", 96, 15.0, 2024
DIMMED = 0.5
LONGEST_S = 600.0
SETTINGS = {"shadow": ShadowSettings(), "watch": WatchSettings(parts=200)}


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one release."""

    end: StepKind
    parts: int
    """That the candidate judged, the last of them after the order that took it back."""
    back_s: float
    """From the step that takes it back to the former bundle's serving; 0 where it was not taken back."""
    serves_former: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A running station, seen from outside."""

    config: StationConfig
    engine: Engine

    def shift(self, share: float) -> None:
        """Let the light fall: each picture is exchanged whole."""
        folder = self.config.station.folder.parent
        for path in sorted((folder / "pictures").glob("*.png")):
            dimmed = cv2.convertScaleAbs(read_image(path), alpha=share)
            cv2.imwrite(str(folder / "dimmed.png"), dimmed)
            (folder / "dimmed.png").replace(path)


def main() -> None:
    parser = report.arguments("candidates on their way to a running line")
    parser.add_argument("--tries", type=int, default=20, help="candidates that turn bad on the line")
    parser.add_argument("--equal", type=int, default=5, help="candidates on a line that stays as it was")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report.write(campaign(Path(scratch), args.tries, args.equal), args.json)


def campaign(folder: Path, tries: int, equal: int) -> Mapping[str, int | float]:
    """Return what must hold first: bad candidates that did not go back within 200 parts, equal ones that did."""
    bad = [trial(folder / f"bad-{number}", number, shifted=True) for number in range(tries)]
    good = [trial(folder / f"good-{number}", tries + number, shifted=False) for number in range(equal)]
    back = [each for each in bad if each.end is StepKind.WENT_BACK and each.serves_former]
    return {
        "bad_not_back_within_200_parts": tries - sum(each.parts <= 200 for each in back),
        "equal_not_released": equal - sum(each.end is StepKind.RELEASED for each in good),
        "tries": tries,
        "equal": equal,
        "parts_until_back_most": max((each.parts for each in back), default=0),
        "parts_until_back_median": sorted(each.parts for each in back)[len(back) // 2] if back else 0,
        "back_s_most": max((each.back_s for each in back), default=0.0),
    }


def trial(folder: Path, number: int, *, shifted: bool) -> Trial:
    """Bring one candidate to a line of its own, and see what becomes of it."""
    pictures(folder / "pictures", SEED + number)
    serving = load_bundle(DEMO).path
    settings = ReleaseSettings(station=(ReleaseStation(name=STATION, database="unset"),), **SETTINGS)
    with running(folder, serving) as line:
        release = begun(line, twin(serving, folder / "candidate"), settings)
        return bring(line, release, DIMMED if shifted else None)


def bring(line: Line, release: Release, shift: float | None) -> Trial:
    """Take a release to its end; with `shift` the light falls so far as soon as the candidate serves."""
    with Stations(release) as stations:
        wait(lambda: _stepped(line, release, stations)[-1].kind in (StepKind.SERVE, *ENDS))
        wait(lambda: _serves(line).bundle_id == release.bundle_id)
        if shift is not None:
            line.shift(shift)
        wait(lambda: _stepped(line, release, stations)[-1].kind in ENDS)
    return _told(line, release)


def _stepped(line: Line, release: Release, stations: Stations) -> list[Move]:
    """Take what steps can be taken, and return all that were."""
    advance(line.engine, release, stations)
    with line.engine.connect() as connection:
        return [step.move for step in steps_of(connection, release.release_id)]


def _told(line: Line, release: Release) -> Trial:
    with line.engine.connect() as connection:
        steps = dated_steps(connection, release.release_id)
        parts = len(stopped_since(connection, _whole(release), release.at))
        began_at = latest_run(connection, STATION)
    back = [(step, at) for step, at in steps if step.move.kind is StepKind.BACK]
    end = steps[-1][0].move.kind
    if not back or began_at is None:
        return Trial(end, parts, 0.0, serves_former=False)
    step, at = back[-1]
    return Trial(end, parts, (began_at.started_at - at).total_seconds(), _serves(line).bundle_id == step.before)


def _whole(release: Release) -> Release:
    """The release with a watch that counts every part of the candidate."""
    watch = release.settings.watch.model_copy(update={"parts": 100_000})
    return replace(release, settings=release.settings.model_copy(update={"watch": watch}))


def begun(line: Line, candidate: Path, settings: ReleaseSettings) -> Release:
    """Return a release of a candidate, approved."""
    bundle = load_bundle(candidate)
    manifest = bundle.manifest
    known = KnownBundle(bundle.id, manifest.task, manifest.classes, manifest.model_dump(mode="json"))
    station = settings.station[0].model_copy(update={"database": line.config.database_url})
    settings = settings.model_copy(update={"station": (station, *settings.station[1:])})
    release = Release(bundle.id, str(bundle.path), line.config.recipe.name, settings, "bench", "a try")
    with writing(line.engine) as connection:
        register_bundle(connection, known)
        set_state(connection, StateChange(bundle.id, BundleState.CANDIDATE, "bench", "passed the gate"))
        begin(connection, release)
        approve(connection, release, "ann", "looks right")
    return release


def twin(bundle: Path, out: Path) -> Path:
    """Return a bundle with the same network and limits under another id."""
    left_out = {"SHA256SUMS", "manifest.json"}
    paths = [path for path in bundle.rglob("*") if path.is_file() and path.name not in left_out]
    files = {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}
    files["card.md"] = files["card.md"] + b"\nA twin.\n"
    return write_bundle(out, load_bundle(bundle).manifest, files)


def pictures(folder: Path, seed: int) -> None:
    """Render the parts of a line."""
    folder.mkdir(parents=True)
    for index in range(PICTURES):
        cv2.imwrite(str(folder / f"{index:03}.png"), render(seed, index).image)


@contextmanager
def running(folder: Path, bundle: Path, rate_hz: float = RATE_HZ) -> Iterator[Line]:
    """A station that inspects the pictures of `folder` again and again, until the end of the block."""
    blocks = {
        "station": {"name": STATION, "folder": "box", "bundle": str(bundle), "deadline_ms": 5000, "hang_s": 60},
        "camera": {"kind": "folder", "path": "pictures", "pace_hz": rate_hz, "loops": 100_000},
    }
    config = station_config(blocks, "bench.toml", folder)
    config.station.folder.mkdir()
    engine, stop = open_engine(config.database_url, create=True), threading.Event()
    thread = threading.Thread(target=lambda: run_station(config, stop), name="station")
    thread.start()
    try:
        line = Line(config, engine)
        wait(lambda: _served_parts(line) > 0)
        yield line
    finally:
        stop.set()
        thread.join(60)
        engine.dispose()


def wait(true: Callable[[], bool], limit_s: float = LONGEST_S) -> None:
    until_s = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > until_s:
            raise TimeoutError(f"nothing came of it within {limit_s:g} s")
        time.sleep(0.1)


def _served_parts(line: Line) -> int:
    with line.engine.connect() as connection:
        return int(connection.execute(select(func.count()).where(INSPECTIONS.c.outcome.is_not(None))).scalar_one())


def _serves(line: Line) -> Serving:
    with line.engine.connect() as connection:
        served = last_serving(connection, STATION)
    if served is None:
        raise ValueError(f"station {STATION} has served nothing")
    return served


if __name__ == "__main__":
    main()
