"""Which images a sweep drops, and that it can be killed and raced without losing one that it should keep."""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text, update

from db import command, queries, sweep
from db.images import ImageStore, StoredImage
from db.labels import Label, add_label
from db.ledger import Ledger
from db.retention import Disk, Kept, Plan, RetentionPolicy, Worth, load_policy, plan_sweep
from db.tables import IMAGES
from inspector.draws import Draw, is_drawn
from inspector.errors import ConfigError, StorageFault
from inspector.values import Outcome

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = bytes(range(32))
DAYS = RetentionPolicy(pass_days=30, sample_days=300)


def kept(worth: Worth, days_old: float, size_bytes: int = 100) -> Kept:
    sha256 = secrets.token_hex(32)
    return Kept(StoredImage(sha256, sha256, size_bytes), worth, NOW - timedelta(days=days_old))


# ---- decisions


def test_a_policy_left_as_it_is_drops_nothing() -> None:
    images = [kept(worth, 10_000) for worth in Worth]
    assert plan_sweep(images, RetentionPolicy(), NOW, Disk(0, 1e9)) == Plan((), 0)


def test_each_class_goes_by_its_own_age_and_says_so() -> None:
    images = [kept(worth, age) for worth in Worth for age in (29, 31, 301)]
    plan = plan_sweep(images, DAYS, NOW, None)
    assert [drop.image for drop in plan.drops] == [images[1].image, images[2].image, images[5].image]
    assert [drop.reason for drop in plan.drops] == [
        "age: pass kept for 30 days",
        "age: pass kept for 30 days",
        "age: sample kept for 300 days",
    ]


def test_for_headroom_the_least_valuable_go_first_and_the_oldest_of_them() -> None:
    images = [kept(Worth.SAMPLE, 9), kept(Worth.PASS, 1), kept(Worth.PASS, 2), kept(Worth.REJECT, 99)]
    policy = RetentionPolicy(headroom_hours=1)
    disk = Disk(free_bytes=3600 - 150, fill_bytes_per_s=1.0)
    plan = plan_sweep(images, policy, NOW, disk)
    assert [drop.image for drop in plan.drops] == [images[2].image, images[1].image]
    assert plan.drops[0].reason == "headroom: disk full in 1.0 h, expected 1 h"
    assert plan.short_bytes == 0


def test_what_age_frees_counts_for_headroom() -> None:
    images = [kept(Worth.PASS, 31), kept(Worth.PASS, 1)]
    policy = RetentionPolicy(pass_days=30, headroom_hours=1)
    plan = plan_sweep(images, policy, NOW, Disk(3600 - 100, 1.0))
    assert [drop.image for drop in plan.drops] == [images[0].image]


@given(
    worths=st.lists(st.sampled_from(list(Worth)), max_size=30),
    free_bytes=st.integers(0, 5000),
    rate=st.floats(0, 2, allow_nan=False),
)
def test_headroom_takes_no_reject_and_no_audited_one_and_says_what_is_missing(
    worths: Iterable[Worth], free_bytes: int, rate: float
) -> None:
    images = [kept(worth, 1) for worth in worths]
    disk = Disk(free_bytes, rate)
    plan = plan_sweep(images, RetentionPolicy(headroom_hours=1), NOW, disk)
    assert all(drop.worth <= Worth.SAMPLE for drop in plan.drops)
    freed = free_bytes + sum(drop.image.size_bytes for drop in plan.drops)
    assert freed + plan.short_bytes >= int(3600 * rate)
    assert plan.short_bytes == 0 or len(plan.drops) == sum(worth <= Worth.SAMPLE for worth in worths)


def test_a_share_without_a_key_and_a_wrong_policy_are_refused_by_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "retention.toml"
    path.write_text("pass_share = 0.5\n")
    with pytest.raises(ConfigError, match=r"retention.toml: .*expected key_file"):
        load_policy(path)
    path.write_text("pass_days = -1\nunknown = 3\n")
    with pytest.raises(ConfigError, match=r"pass_days: .*unknown: unknown field"):
        load_policy(path)
    path.write_text('key_file = "audit.key"\npass_share = 0.5\n')
    assert load_policy(path).key_file == tmp_path / "audit.key"


# ---- a ledger with images


class Shelf:
    """A ledger whose parts have images of their own, all old enough to be dropped."""

    def __init__(self, database: str, engine: Engine, root: Path, line: Any) -> None:
        self.engine, self.store, self._database, self._line = engine, ImageStore(root), database, line
        self._trigger = 0
        with Ledger(database) as ledger:
            self.run_id = ledger.start_run(line.run())

    def add(self, outcome: Outcome = Outcome.PASS, drawn: bool = False, encoded: bytes = b"", old: bool = True) -> Any:
        """One part with its image; return its record."""
        self._trigger += 1
        image = self.store.put(encoded or secrets.token_bytes(50), ".png")
        with Ledger(self._database, clock=lambda: NOW - timedelta(days=100)) as ledger:
            part = self._line.part(self.run_id, self._trigger)
            ledger.open_part(part)
            judged = self._line.judged(part, outcome=outcome, image_sha256=image.sha256)
            ledger.complete_part(judged, image, Draw(0.5, "near") if drawn else None).result(5)
        if old:
            self.age(image)
        return judged

    def age(self, image: StoredImage) -> None:
        os.utime(self.store.root / image.path, (1e9, 1e9))

    def sweep(self, policy: RetentionPolicy = DAYS, key: bytes | None = None) -> sweep.Swept:
        with self.store.sweeping():
            sweep.settle(self.engine, self.store, NOW)
            plan = sweep.plan(self.engine, policy, key, NOW, None)
            return sweep.carry_out(self.engine, self.store, plan, policy, key, NOW)

    def files(self) -> set[str]:
        return {path.stem for path in self.store.root.glob("??/??/*.png")}

    def row(self, sha256: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(IMAGES).where(IMAGES.c.sha256 == sha256)).one()


@pytest.fixture
def shelf(database: str, engine: Engine, tmp_path: Path, line: Any) -> Shelf:
    return Shelf(database, engine, tmp_path / "images", line)


def test_passes_go_and_rejects_audited_labelled_and_doubled_ones_stay(shelf: Shelf) -> None:
    passed, rejected, reviewed = shelf.add(), shelf.add(Outcome.REJECT), shelf.add(Outcome.REVIEW)
    drawn, labelled = shelf.add(drawn=True), shelf.add()
    with shelf.engine.begin() as connection:
        add_label(connection, Label(labelled.part_id, "good", "ann", blind=False))
    shelf.add(encoded=b"twice")
    both = shelf.add(Outcome.REJECT, encoded=b"twice")
    swept = shelf.sweep()
    assert [drop.image.sha256 for drop in swept.dropped] == [passed.image_sha256]
    assert shelf.files() == {one.image_sha256 for one in (rejected, reviewed, drawn, labelled, both)}
    row = shelf.row(passed.image_sha256)
    assert (row.dropped_at, row.drop_reason) == (NOW, "age: pass kept for 30 days")
    with shelf.engine.connect() as connection:
        assert queries.part(connection, passed.part_id) == passed
        assert passed.image_sha256 not in {image.sha256 for image in queries.images(connection)}
    assert shelf.sweep().dropped == ()


def test_an_image_that_only_a_view_names_is_worth_what_its_part_is(shelf: Shelf, database: str, line: Any) -> None:
    own, of_view = (shelf.store.put(encoded, ".png") for encoded in (b"own", b"view"))
    with Ledger(database, clock=lambda: NOW - timedelta(days=100)) as ledger:
        part = line.part(shelf.run_id, 90)
        judged = line.judged(part, outcome=Outcome.REJECT, image_sha256=own.sha256)
        views = (dataclasses.replace(judged.views[0], image_sha256=of_view.sha256),)
        ledger.open_part(part)
        ledger.complete_part(dataclasses.replace(judged, views=views), own, further=(of_view,)).result(5)
    shelf.age(own)
    shelf.age(of_view)
    assert shelf.sweep().dropped == ()
    assert shelf.files() == {own.sha256, of_view.sha256}


def test_a_sample_of_the_passes_is_drawn_by_the_key(shelf: Shelf) -> None:
    parts = [shelf.add() for _ in range(12)]
    shelf.sweep(RetentionPolicy(pass_share=0.5, key_file=Path("key"), pass_days=30), KEY)
    drawn = {one.image_sha256 for one in parts if is_drawn(KEY, f"image {one.part_id}", 0.5)}
    assert shelf.files() == drawn
    assert 0 < len(drawn) < 12


def test_a_picture_that_was_just_put_waits_for_its_row(shelf: Shelf) -> None:
    part = shelf.add(old=False)
    assert shelf.sweep().spared == 1
    assert shelf.files() == {part.image_sha256}
    assert shelf.row(part.image_sha256).drop_reason is None


def test_a_dropped_picture_that_comes_again_is_kept_again(shelf: Shelf) -> None:
    first = shelf.add(encoded=b"again")
    shelf.sweep()
    assert shelf.files() == set()
    shelf.add(Outcome.REJECT, encoded=b"again")
    row = shelf.row(first.image_sha256)
    assert (row.dropped_at, row.drop_reason) == (None, None)
    assert shelf.sweep().dropped == ()
    assert shelf.files() == {first.image_sha256}


def test_a_part_that_becomes_worth_more_after_the_plan_is_spared(shelf: Shelf) -> None:
    part = shelf.add()
    plan = sweep.plan(shelf.engine, DAYS, None, NOW, None)
    with shelf.engine.begin() as connection:
        add_label(connection, Label(part.part_id, "good", "ann", blind=False))
    with shelf.store.sweeping():
        swept = sweep.carry_out(shelf.engine, shelf.store, plan, DAYS, None, NOW)
    assert (swept.dropped, swept.spared) == ((), 1)
    assert shelf.files() == {part.image_sha256}


def test_a_picture_put_again_in_the_middle_of_a_sweep_stays(shelf: Shelf) -> None:
    part = shelf.add(encoded=b"raced")

    class Raced(ImageStore):
        def drop(self, image: StoredImage, put_at_ns: int) -> bool:
            self.put(b"raced", ".png")
            return super().drop(image, put_at_ns)

    raced = Raced(shelf.store.root)
    plan = sweep.plan(shelf.engine, DAYS, None, NOW, None)
    with raced.sweeping():
        assert sweep.carry_out(shelf.engine, raced, plan, DAYS, None, NOW).spared == 1
    assert raced.read(part.image_sha256) == b"raced"
    assert shelf.row(part.image_sha256).drop_reason is None


def test_a_wrong_folder_drops_nothing_and_is_named_where_it_is_none(shelf: Shelf, tmp_path: Path) -> None:
    part = shelf.add()
    (tmp_path / "wrong").mkdir()
    plan = sweep.plan(shelf.engine, DAYS, None, NOW, None)
    swept = sweep.carry_out(shelf.engine, ImageStore(tmp_path / "wrong"), plan, DAYS, None, NOW)
    assert (swept.dropped, swept.spared) == ((), 1)
    assert shelf.row(part.image_sha256).drop_reason is None
    with pytest.raises(StorageFault, match="nowhere: no such folder"), ImageStore(tmp_path / "nowhere").sweeping():
        pass


def test_two_sweeps_at_once_are_refused(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    with store.sweeping(), pytest.raises(StorageFault, match="another sweep"), ImageStore(tmp_path).sweeping():
        pass


# ---- killed


STEPS = ("marked", "aside", "gone")
"""Where the sweep of the child is killed: before a file, with one moved aside, with one gone and its row unfinished."""
CHILD = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from db import sweep
from db.engine import open_engine
from db.images import ImageStore
from db.retention import RetentionPolicy

step, root, url, now = sys.argv[1], Path(sys.argv[2]), sys.argv[3], datetime.fromisoformat(sys.argv[4])
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)

class Killed(ImageStore):
    def drop(self, image, put_at_ns):
        if step == "marked":
            die()
        if step == "aside":
            Path.unlink = die
        gone = super().drop(image, put_at_ns)
        die()

engine, store, policy = open_engine(url), Killed(root), RetentionPolicy(pass_days=30)
with store.sweeping():
    sweep.settle(engine, store, now)
    sweep.carry_out(engine, store, sweep.plan(engine, policy, None, now, None), policy, None, now)
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_sweep_that_is_killed_loses_nothing_and_the_next_one_finishes(
    path: Path, database: str, shelf: Shelf, step: str
) -> None:
    """On SQLite alone: what is killed is the files' side."""
    doomed = [shelf.add().image_sha256 for _ in range(3)]
    safe = {shelf.add(Outcome.REJECT).image_sha256}
    words = [sys.executable, "-c", CHILD, step, str(shelf.store.root), database, NOW.isoformat()]
    assert subprocess.run(words, check=False).returncode == -9
    with shelf.engine.connect() as connection:
        marked = connection.execute(text("SELECT count(*) FROM images WHERE drop_reason IS NOT NULL")).scalar_one()
    assert marked == 3
    if step == "marked":  # one of them turns out to be a reject's, before anybody sweeps again
        shelf.add(Outcome.REJECT, encoded=shelf.store.read(doomed[0]))
        safe.add(doomed.pop(0))
    shelf.sweep()
    assert shelf.files() == safe
    for sha256 in doomed:
        assert shelf.row(sha256).dropped_at == NOW
    assert list((shelf.store.root / ".dropping").glob("*.png")) == []


STORM = """
import sys
from datetime import datetime
from pathlib import Path
from db import sweep
from db.engine import open_engine
from db.images import ImageStore
from db.retention import RetentionPolicy
from db.sweeping import sweep_once

sweep._IMAGES_PER_STEP = 3
print("ready", flush=True)
sys.stdin.readline()
now = datetime.fromisoformat(sys.argv[3])
engine = open_engine(sys.argv[2])
sweep_once(engine, ImageStore(Path(sys.argv[1])), RetentionPolicy(pass_days=30), None, clock=lambda: now)
print("done", flush=True)
"""


def test_a_sweep_killed_at_random_moments_loses_nothing_that_is_kept(shelf: Shelf, database: str) -> None:
    """Each is killed after another number of files has gone, and the next one goes on; rows and files agree at last."""
    doomed = {shelf.add().image_sha256 for _ in range(40)}
    kept = {shelf.add(Outcome.REJECT).image_sha256 for _ in range(8)} | {shelf.add(drawn=True).image_sha256}
    chance, killed = random.Random(5), 0
    for _ in range(4):
        before = len(shelf.files())
        words = [sys.executable, "-c", STORM, str(shelf.store.root), database, NOW.isoformat()]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            child.stdin.write("go\n")
            child.stdin.flush()
            gone = before - chance.randrange(1, 10)
            while len(shelf.files()) > gone and child.poll() is None:
                time.sleep(chance.random() / 1000)
            child.kill()
            killed += child.wait(30) == -signal.SIGKILL
        assert kept <= shelf.files()
        assert_no_row_points_to_what_is_gone(shelf)
    assert killed
    shelf.sweep(RetentionPolicy(pass_days=30))
    assert shelf.files() == kept
    assert {sha256 for sha256 in doomed | kept if shelf.row(sha256).dropped_at is None} == kept
    assert {sha256 for sha256 in kept if shelf.row(sha256).drop_reason} == set()


def assert_no_row_points_to_what_is_gone(shelf: Shelf) -> None:
    """A file that is not there is one whose row has its reason, or lies aside for the next sweep to put back."""
    aside = {path.stem for path in (shelf.store.root / ".dropping").glob("*.png")}
    with shelf.engine.connect() as connection:
        unmarked = connection.execute(select(IMAGES.c.sha256).where(IMAGES.c.drop_reason.is_(None))).scalars().all()
    assert set(unmarked) <= shelf.files() | aside


# ---- the command


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_a_dry_run_says_it_all_and_changes_nothing(
    shelf: Shelf, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add()
    shelf.add(Outcome.REJECT)
    policy = tmp_path / "retention.toml"
    policy.write_text("pass_days = 30\n")
    words = ["sweep", "--database", database, "--images", str(shelf.store.root), "--policy", str(policy)]
    assert run(*words, "--dry-run") == 0
    assert len(shelf.files()) == 2
    assert run(*words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["would drop 1 images, 0.0 MB (1 pass)", "dropped 1 images, 0.0 MB (1 pass)"]
    assert len(shelf.files()) == 1


def test_a_disk_that_fills_too_soon_is_an_alarm_when_no_pass_is_left(
    shelf: Shelf, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add(Outcome.REJECT)
    with shelf.engine.begin() as connection:
        connection.execute(update(IMAGES).values(stored_at=datetime.now(UTC), size_bytes=10**15))
    policy = tmp_path / "retention.toml"
    policy.write_text("headroom_hours = 1000\n")
    assert run("sweep", "--database", database, "--images", str(shelf.store.root), "--policy", str(policy)) == 1
    assert "make room" in capsys.readouterr().out
    with shelf.engine.connect() as connection:
        (event,) = queries.events(connection, 1)
    assert (event.severity, event.kind) == ("ALARM", "image headroom")
    assert len(shelf.files()) == 1


def test_the_present_rate_is_that_of_the_last_day(shelf: Shelf) -> None:
    for _ in range(3):
        shelf.add()
    with shelf.engine.begin() as connection:
        assert sweep.fill_bytes_per_s(connection, NOW) == 0.0
        at = iter([NOW - timedelta(hours=30), NOW - timedelta(hours=20), NOW - timedelta(hours=10)])
        for sha256 in connection.execute(select(IMAGES.c.sha256)).scalars().all():
            connection.execute(update(IMAGES).where(IMAGES.c.sha256 == sha256).values(stored_at=next(at)))
        assert sweep.fill_bytes_per_s(connection, NOW) == pytest.approx(100 / 86400)
