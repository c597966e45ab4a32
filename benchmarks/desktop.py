"""What the desktop costs and how long it keeps a person waiting.

    python -m benchmarks.desktop --json FILE
    python -m benchmarks.desktop --seconds 20 --rejects 200 --rows 2000000 --platform xcb   # with a display

Three questions, each to a real window (on `offscreen`, unless `--platform` names another), of this process:

- **live**: a station judges the demo's pictures of 1280x1024 at 30 a second and the live screen shows them, at their
  full size. What share of a core does this process take? Beside it what nobody can do without: to decode as many JPEGs
  and paint them.
- **review**: rejects are answered by keys, one after the other; from the key to the next part with its picture there.
  The machine's part of the two seconds that a reject may take.
- **openings**: each screen on a station's file of so many inspections, from the key to the last answer, again and
  again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import cv2
import numpy as np

from benchmarks import report
from benchmarks.report import percentile_ms
from db.records import utc_now
from inspector.ids import new_id
from inspector.values import Finding, InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection

if TYPE_CHECKING:
    from gui.shell import Shell

PASSWORD = "correct horse battery"
RATE_HZ = 30.0
CLASSES = ("good", "dent", "scratch", "stain")
SETTLE_S, GIVE_UP_S = 3.0, 60.0
OPENINGS = 20
REVIEW, LIVE = 0, 1
STATION = """
[station]
name = "press-4"
folder = "{folder}"
bundle = "{bundle}"

[camera]
kind = "folder"
path = "{pictures}"
preload = true
loops = 100000
pace_hz = {rate_hz}

[health]
port = {port}
"""


def main() -> None:
    args = _arguments().parse_args()
    os.environ["QT_QPA_PLATFORM"] = args.platform
    found: dict[str, Any] = {"platform": args.platform, "window": "1366x768"}
    with tempfile.TemporaryDirectory(prefix="inspector-desktop-") as scratch:
        if args.seconds:
            found |= live(Path(scratch) / "live", args.bundle.absolute(), args.seconds)
        if args.rejects:
            found |= review(Path(scratch) / "review", args.rejects)
        if args.rows:
            found |= openings(Path(scratch) / "openings", args.rows)
    report.write(found, args.json)


def _arguments() -> argparse.ArgumentParser:
    parser = report.arguments("the desktop's share of a core, and how long a person waits")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that the live station runs")
    parser.add_argument("--seconds", type=float, default=20.0, help="the live screen is watched; 0: not at all")
    parser.add_argument("--rejects", type=int, default=200, help="parts to answer; 0: none")
    parser.add_argument("--rows", type=int, default=0, help="inspections behind the openings; 0: no openings")
    parser.add_argument("--platform", default="offscreen", help="Qt's platform, as xcb on an X server")
    return parser


# ---- the window


@contextmanager
def _window(database: Path, *stations: str) -> Iterator[Shell]:
    """A window at which a quality engineer has signed in, on the database."""
    from PySide6.QtWidgets import QApplication

    from gui.database import open_source
    from gui.shell import Shell

    application = QApplication.instance() or QApplication(["inspector"])
    source = open_source(str(database))
    window = Shell(source, "benchmark", stations=tuple((address, None) for address in stations))
    try:
        window.show()
        window.sign_in.name.setText("ann")
        window.sign_in.password.setText(PASSWORD)
        window.sign_in.password.returnPressed.emit()
        _until(lambda: window._here is not None and window.worker.pending == 0, "a signed-in person")
        yield window
    finally:
        window.close()
        window.deleteLater()
        application.processEvents()
        source.engine.dispose()


def _until(holds: Callable[[], bool], what: str) -> float:
    """Let Qt work until it holds; return the seconds that took."""
    from PySide6.QtCore import QEventLoop
    from PySide6.QtWidgets import QApplication

    began_s = time.perf_counter()
    while not holds():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 1)
        if time.perf_counter() - began_s > GIVE_UP_S:
            raise SystemExit(f"no {what} within {GIVE_UP_S:g} s")
        time.sleep(0.0002)
    return time.perf_counter() - began_s


def _with_account(database: Path) -> None:
    from db.accounts import By, Role, add_account
    from db.engine import open_engine, writing

    engine = open_engine(database, create=True)
    with writing(engine) as connection:
        add_account(connection, "ann", Role.QUALITY, PASSWORD, By("root", "a benchmark"))
    engine.dispose()


# ---- live


def live(folder: Path, bundle: Path, seconds: float) -> dict[str, Any]:
    """Return what share of a core the live screen takes, and how many pictures it shows."""
    pictures = _pictures(folder / "pictures")
    with _station(folder, bundle, pictures) as (address, database):
        _with_account(database)
        with _window(database, address) as window:
            window.go(LIVE)
            shown = _count_pictures(window)
            _until(lambda: len(shown) > 0, "live picture")
            _run(SETTLE_S)
            before, cpu_s, began_s = len(shown), time.process_time(), time.perf_counter()
            _run(seconds)
            wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
            frames = len(shown) - before
            size = f"{window.live.canvas.width()}x{window.live.canvas.height()}"
    bare_s = _bare_frame_s(pictures, size)
    return {
        "live_share_of_core_over_bare": round(cpu_s / (frames * bare_s), 2),
        "live_share_of_core": round(cpu_s / wall_s, 3),
        "live_pictures_per_s": round(frames / wall_s, 1),
        "live_cpu_ms_per_picture": round(1e3 * cpu_s / frames, 2),
        "live_bare_cpu_ms_per_picture": round(1e3 * bare_s, 2),
        "live_picture_px": f"{shown[-1][1]}x{shown[-1][0]}",
        "live_view_px": size,
        "live_seconds": round(wall_s, 1),
    }


def _count_pictures(window: Shell) -> list[tuple[int, ...]]:
    """The shape of each live picture that comes, from now on. The largest is asked for, whatever the view."""
    from gui.live.preview import LARGE_PX

    shown: list[tuple[int, ...]] = []
    screen, previewed = window.live, window.live._previewed

    def count(address: str, preview: Any) -> None:
        if preview.picture is not None:
            shown.append(preview.picture.levels[0].shape)
        previewed(address, preview)

    # Two methods are stood in for on this one window, which mypy takes for a slip.
    screen._previewed = count  # type: ignore[method-assign]
    screen._wanted_px = lambda: LARGE_PX  # type: ignore[method-assign]
    return shown


def _run(seconds: float) -> None:
    """Let Qt work for so long, asleep between events as an application is."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1e3 * seconds), loop.quit)
    loop.exec()


def _pictures(folder: Path) -> Path:
    """Rendered parts at the camera's size."""
    folder.mkdir(parents=True)
    for index, content in enumerate(_rendered()):
        (folder / f"{index:03d}.png").write_bytes(content)
    return folder


def _rendered() -> list[bytes]:
    """PNG files of the demo's flanges, good and defective."""
    from station.demo.plan import plan_part
    from station.demo.render import render_plan

    parts = (render_plan(7, plan_part(7, index, 0.5)).image for index in range(20))
    return [np.asarray(cv2.imencode(".png", part)[1]).tobytes() for part in parts]


@contextmanager
def _station(folder: Path, bundle: Path, pictures: Path) -> Iterator[tuple[str, Path]]:
    """A station that runs; its address and its ledger."""
    import subprocess

    from benchmarks.peers import free_port

    port, config = free_port(), folder / "station.toml"
    text = STATION.format(folder=folder / "station", bundle=bundle, pictures=pictures, rate_hz=RATE_HZ, port=port)
    config.write_text(text)
    words = [sys.executable, "-m", "inspector.cli", "station", "run", str(config)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as line:
        try:
            address = f"http://127.0.0.1:{port}"
            _await_picture(address)
            yield address, folder / "station" / "ledger.sqlite"
        finally:
            line.terminate()


def _await_picture(address: str) -> None:
    from gui.live.preview import read_preview
    from inspector.errors import PeerFault

    until_s = time.monotonic() + GIVE_UP_S
    while True:
        try:
            read_preview(address, None, 640)
            return
        except PeerFault as fault:
            if time.monotonic() > until_s:
                raise SystemExit(f"the station does not run: {fault}") from fault
            time.sleep(0.2)


def _bare_frame_s(pictures: Path, view: str) -> float:
    """Processor time of a picture that is decoded, scaled and painted, and nothing else."""
    from PySide6.QtGui import QImage, QPainter

    width, height = (int(side) for side in view.split("x"))
    image = cv2.imread(str(next(pictures.iterdir())))
    if image is None:
        raise SystemExit("the picture that was just written cannot be read")
    content = np.asarray(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1])
    target = QImage(width, height, QImage.Format.Format_RGB32)
    began_s, times = time.process_time(), 100
    for _ in range(times):
        decoded = cv2.resize(np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR)), (width, height))
        painter = QPainter(target)
        painter.drawImage(0, 0, QImage(decoded.data, width, height, 3 * width, QImage.Format.Format_BGR888))
        painter.end()
    return (time.process_time() - began_s) / times


# ---- review


def review(folder: Path, rejects: int) -> dict[str, Any]:
    """Return how long a person waits from an answer to the next part with its picture."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    database = _rejects(folder, rejects + 1)
    _with_account(database)
    waits: list[float] = []
    with _window(database) as window:
        controller = window.review.controller

        def ready(old: object = None) -> bool:
            there = not controller.busy and controller.size_px is not None and window.worker.pending == 0
            return there and controller.part is not old

        _until(ready, "first reject")
        for _ in range(rejects):
            before = controller.part
            QTest.keyClick(window.focusWidget(), Qt.Key.Key_2)
            waits.append(_until(partial(ready, before), "next reject"))
    return {
        "review_wait_p99_over_two_seconds": round(percentile_ms(waits, 0.99) / 2e3, 4),
        "review_wait_p50_ms": round(percentile_ms(waits, 0.5), 1),
        "review_wait_p99_ms": round(percentile_ms(waits, 0.99), 1),
        "review_wait_max_ms": round(1e3 * max(waits), 1),
        "review_rejects": rejects,
    }


def _rejects(folder: Path, count: int) -> Path:
    """A ledger of rejects, each with its own row and one of twenty pictures."""
    from db.images import ImageStore
    from db.ledger import Ledger
    from db.records import Run

    folder.mkdir(parents=True)
    images = ImageStore(folder / "images")
    kept = [images.put(content, ".png") for content in _rendered()]
    manifest = {"good": ["good"], "limits": {"pass_below": 0.1, "reject_above": 0.8}}
    with Ledger(folder / "ledger.sqlite") as ledger:
        run = ledger.start_run(Run("press-4", "flange", "r" * 64, "{}", "b" * 64, "classify", CLASSES, manifest))
        for number in range(count):
            opened = _opened(run, number)
            image = kept[number % len(kept)]
            ledger.open_part(opened)
            ledger.complete_part(_rejected(opened, image.sha256), image, None).result(10)
    return folder / "ledger.sqlite"


def _opened(run: UUID, number: int) -> InspectionRecord:
    return InspectionRecord(
        part_id=new_id(),
        run_id=run,
        station="press-4",
        recipe="flange",
        bundle_id="b" * 64,
        trigger=number + 1,
        source=f"{number}.png",
        triggered_at=utc_now() + timedelta(milliseconds=number),
        sequence=number,
    )


def _rejected(part: InspectionRecord, sha256: str) -> InspectionRecord:
    found = Finding("scratch", 0.93, 300, 300, 90, 60)
    prediction = Prediction("scratch", (0.05, 0.0, 0.95, 0.0), 0.95, (1.0,), (found,))
    verdict = Verdict(Outcome.REJECT, ("defect probability 0.95",), 0.95, "scratch")
    view = ViewInspection("top", part.sequence, part.source, Quality(100, 120, 0, 0), prediction, verdict, {}, sha256)
    return replace(
        part,
        outcome=Outcome.REJECT,
        reasons=verdict.reasons,
        label="scratch",
        defect_probability=0.95,
        latency_ms=8.5,
        completed_at=utc_now(),
        image_sha256=sha256,
        views=(view,),
    )


# ---- openings


def openings(folder: Path, rows: int) -> dict[str, Any]:
    """Return how long each screen takes to open on a file of so many inspections."""
    from benchmarks.history import END, Past, grow
    from benchmarks.screens import PARTS_PER_DAY
    from db.engine import open_engine

    folder.mkdir(parents=True)
    database = folder / "ledger.sqlite"
    _with_account(database)
    engine = open_engine(database)
    grow(engine, Past(rows, 1, PARTS_PER_DAY["sqlite"]))
    engine.dispose()
    found: dict[str, Any] = {}
    with _clock_at(END), _window(database) as window:
        for number, place in enumerate(window.places):
            key = place.name.lower().replace(" ", "_")
            for figure, value in _opened_again_and_again(window, number).items():
                found[f"open_{key}_{figure}"] = value
    worst = max(value for name, value in found.items() if name.endswith("_max_ms"))
    return {"open_worst_over_a_second": round(worst / 1e3, 3), **found, "open_rows": rows}


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    """The screens take it for now, and see the youngest parts; who is signed in keeps the real time."""
    import gui.shell  # noqa: F401 - with all screens

    of_screens = [
        module
        for name, module in sys.modules.items()
        if name.startswith("gui.") and name != "gui.identity" and hasattr(module, "utc_now")
    ]
    for module in of_screens:  # a module's names are not known to mypy
        module.utc_now = lambda: moment  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in of_screens:
            module.utc_now = utc_now  # type: ignore[attr-defined]


def _opened_again_and_again(window: Shell, number: int) -> dict[str, float]:
    away = LIVE if number != LIVE else REVIEW
    waits: list[float] = []
    for _ in range(OPENINGS):
        window.go(away)
        _until(lambda: window.worker.pending == 0, "rest")
        began_s = time.perf_counter()
        window.go(number)
        _until(lambda: window.worker.pending == 0, f"answer of {window.places[number].name}")
        waits.append(time.perf_counter() - began_s)
    return {
        "first_ms": round(1e3 * waits[0], 1),
        "p50_ms": round(percentile_ms(waits, 0.5), 1),
        "max_ms": round(1e3 * max(waits), 1),
    }


if __name__ == "__main__":
    main()
