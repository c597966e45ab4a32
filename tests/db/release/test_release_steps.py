"""Steps of a release as rows: each is taken once and its order left once, whoever is killed, and however many step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from db.accounts import By, Role, add_account
from db.bundle_states import BundleState, StateChange, set_state, state_of
from db.bundles import KnownBundle, register_bundle
from db.engine import WRITES, open_engine, writing
from db.ledger import Ledger
from db.orders import OrderKind, OrderState, OrderStep, orders, unsettled, write_step
from db.records import Run, utc_now
from db.release.rows import Release, approve, begin, find_release, open_releases, steps_of
from db.release.stepping import Stations, advance, go_back, progress
from db.servings import Served, last_serving, served_by
from inspector.cli import main
from inspector.errors import DatabaseError, ReleaseRefused
from inspector.release.chain import StepKind
from inspector.release.settings import ReleaseSettings, ReleaseStation

OLD, NEW = "0" * 64, "1" * 64


def run_of(station: str, bundle_id: str) -> Run:
    manifest = {"lineage": {"created_at": "2026-01-01T00:00:00+00:00"}}
    return Run(
        station=station,
        recipe="lid",
        recipe_revision="r",
        recipe_text="{}",
        bundle_id=bundle_id,
        task="classify",
        classes=("good", "dent"),
        manifest=manifest,
    )


@dataclass(frozen=True)
class Plant:
    """A plant's database and two stations that have served `OLD`; a station does its orders when it is told to."""

    folder: Path
    engine: Engine

    def settings(self, **changes: object) -> ReleaseSettings:
        stations = tuple(ReleaseStation(name=name, database=self.url(name)) for name in ("a", "b"))
        return ReleaseSettings(station=stations, **changes)  # type: ignore[arg-type]

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.sqlite"

    def release(self, approvals: int = 1) -> Release:
        made = Release(
            NEW, str(self.folder / "bundles" / "1"), "lid", self.settings(approvals=approvals), "ann", "better"
        )
        with writing(self.engine) as connection:
            begin(connection, made)
        return made

    def approve(self, release: Release, person: str) -> int:
        with writing(self.engine) as connection:
            return approve(connection, release, person, "looks right")

    def step(self, release: Release) -> list[StepKind]:
        with Stations(release) as stations:
            return [step.move.kind for step in advance(self.engine, release, stations)]

    def orders(self, name: str) -> list[OrderKind]:
        engine = open_engine(self.url(name))
        with engine.connect() as connection:
            given = [each.order.kind for each in orders(connection, name)]
        engine.dispose()
        return given

    def obey(self, name: str, refuse: str = "") -> None:
        """Do what is wanted of a station, or refuse it."""
        engine = open_engine(self.url(name))
        with writing(engine) as connection:
            for given in unsettled(connection, name):
                state = OrderState.REFUSED if refuse else OrderState.DONE
                if not refuse and given.order.kind in (OrderKind.BUNDLE, OrderKind.ROLLBACK):
                    serve(
                        connection,
                        name,
                        NEW if given.order.kind is OrderKind.BUNDLE else given.order.wanted,
                        given.number,
                    )
                write_step(connection, OrderStep(given.number, state, refuse or "done", utc_now()))
        engine.dispose()


def serve(connection: Connection, station: str, bundle_id: str, order: int | None) -> None:
    from db.entries import RunStart, write_one

    run = run_of(station, bundle_id)
    write_one(connection, RunStart(run, Served(Path(bundle_id[:1]), order)))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    for name in ("a", "b"):
        with Ledger(f"sqlite:///{folder / name}.sqlite") as ledger:
            ledger.start_run(run_of(name, OLD), Served(Path("0")))
    engine = open_engine(folder / "plant.sqlite", create=True)
    with writing(engine) as connection:
        register_bundle(connection, KnownBundle(NEW, "classify", ("good", "dent"), {}))
        set_state(connection, StateChange(NEW, BundleState.CANDIDATE, "gate", "not worse"))
    engine.dispose()
    return folder


@pytest.fixture
def plant(tmp_path: Path, template: Path) -> Iterator[Plant]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    engine = open_engine(tmp_path / "plant.sqlite")
    yield Plant(tmp_path, engine)
    engine.dispose()


def test_a_bundle_that_is_no_candidate_is_not_released(plant: Plant) -> None:
    with writing(plant.engine) as connection:
        set_state(connection, StateChange(NEW, BundleState.REFUSED, "ann", "second thoughts"))
    with pytest.raises(ReleaseRefused, match="is REFUSED; expected CANDIDATE or APPROVED"):
        plant.release()


def test_a_station_has_one_open_release_at_a_time(plant: Plant) -> None:
    plant.release()
    with pytest.raises(ReleaseRefused, match=r"station a: release .* is under way there"):
        plant.release()


def test_two_persons_must_approve_where_the_plant_says_so_and_not_one_twice(plant: Plant) -> None:
    release = plant.release(approvals=2)
    assert plant.approve(release, "ann") == 1
    assert plant.step(release) == []
    with pytest.raises(ReleaseRefused, match="expected another person"):
        plant.approve(release, "ann")
    assert plant.approve(release, "bob") == 2
    assert plant.step(release) == [StepKind.SHADOW]
    with plant.engine.connect() as connection:
        assert state_of(connection, NEW) is BundleState.APPROVED
        assert state_of(connection, NEW, "a") is BundleState.SHADOW
    with pytest.raises(ReleaseRefused, match="it has gone on"):
        plant.approve(release, "cara")


def test_an_approval_on_a_screen_counts(plant: Plant) -> None:
    release = plant.release(approvals=2)
    with writing(plant.engine) as connection:
        set_state(connection, StateChange(NEW, BundleState.APPROVED, "bob", "on the screen"))
    assert plant.approve(release, "ann") == 2


def test_where_there_are_accounts_only_who_may_approve_does(plant: Plant) -> None:
    release = plant.release()
    with writing(plant.engine) as connection:
        add_account(connection, "olga", Role.OPERATOR, "a long password", By("cara", "new"))
    with pytest.raises(ReleaseRefused, match="olga: expected an account that may approve"):
        plant.approve(release, "olga")


def test_an_order_that_the_station_refuses_ends_the_release_with_its_cause(plant: Plant) -> None:
    release = plant.release()
    plant.approve(release, "ann")
    plant.step(release)
    plant.obey("a", refuse="not signed")
    assert plant.step(release) == [StepKind.REFUSED]
    with plant.engine.connect() as connection:
        assert steps_of(connection, release.release_id)[-1].move.reason == "station a: not signed"
        assert state_of(connection, NEW) is BundleState.REFUSED
        assert open_releases(connection) == []


def test_going_back_in_the_shadow_ends_it_and_there_is_nothing_more_to_undo(plant: Plant) -> None:
    release = plant.release()
    plant.approve(release, "ann")
    plant.step(release)
    plant.obey("a")
    with Stations(release) as stations:
        go_back(plant.engine, release, stations, "ann", "no")
    plant.step(release)
    plant.obey("a")
    assert plant.step(release) == [StepKind.REFUSED]
    with Stations(release) as stations, pytest.raises(ReleaseRefused, match="there is nothing to go back from"):
        go_back(plant.engine, release, stations, "ann", "no")


def test_a_station_that_cannot_be_reached_is_named_and_what_is_wanted_of_it_waits(plant: Plant) -> None:
    release = plant.release()
    plant.approve(release, "ann")

    def gone(url: str) -> Engine:
        raise DatabaseError(f"{url}: no such file")

    with Stations(release, gone) as stations:
        assert advance(plant.engine, release, stations) == []
    plant.step(release)
    with Stations(release, gone) as stations:
        assert "no such file" in progress(plant.engine, release, stations).seen.answers[2].words


class Killed(BaseException):
    """As `kill -9` would."""


class KilledAt:
    """Ends the process right before its n-th commit of any database, which is right after the one before it."""

    def __init__(self, number: int) -> None:
        self._left = number

    def watch(self, engine: Engine) -> Engine:
        event.listen(engine, "commit", self._commit)
        return engine

    def _commit(self, connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            self._left -= 1
            if self._left == 0:
                raise Killed


@pytest.mark.parametrize("number", range(1, 5))
def test_steps_that_are_killed_at_a_commit_are_gone_on_with_and_nothing_is_done_twice(
    plant: Plant, number: int
) -> None:
    release = plant.release()
    plant.approve(release, "ann")
    killer = KilledAt(number)
    engine = killer.watch(open_engine(plant.folder / "plant.sqlite"))

    def open_station(url: str) -> Engine:
        return killer.watch(open_engine(url))

    def all_of_it() -> None:
        with Stations(release, open_station) as stations:
            advance(engine, release, stations)
            plant.obey("a")
            go_back(engine, release, stations, "ann", "no")
            advance(engine, release, stations)

    with pytest.raises(Killed):
        all_of_it()
    engine.dispose()
    plant.step(release)
    plant.obey("a")
    with plant.engine.connect() as connection:
        told = steps_of(connection, release.release_id)
    if told[-1].move.kind is StepKind.SHADOW:
        with Stations(release) as stations:
            go_back(plant.engine, release, stations, "ann", "no")
    plant.step(release)
    plant.obey("a")
    plant.step(release)
    with plant.engine.connect() as connection:
        kinds = [step.move.kind for step in steps_of(connection, release.release_id)]
    assert kinds == [StepKind.APPROVE, StepKind.SHADOW, StepKind.END_SHADOW, StepKind.REFUSED]
    assert plant.orders("a") == [OrderKind.SHADOW, OrderKind.SHADOW]


def test_many_who_step_at_once_take_each_step_once(plant: Plant) -> None:
    release = plant.release()
    plant.approve(release, "ann")
    with ThreadPoolExecutor(4) as pool:
        taken = [kind for kinds in pool.map(lambda _: plant.step(release), range(8)) for kind in kinds]
    assert taken == [StepKind.SHADOW]
    assert plant.orders("a") == [OrderKind.SHADOW]


def test_a_way_back_names_the_bundle_that_served_whatever_served_in_between(plant: Plant) -> None:
    engine = open_engine(plant.url("a"))
    with writing(engine) as connection:
        serve(connection, "a", NEW, None)
        found = served_by(connection, "a", OLD[:16])
        assert found is not None
        assert found.bundle_id == OLD
        assert served_by(connection, "a", OLD[:8]) is None
        assert served_by(connection, "a", "f" * 64) is None
        newest = last_serving(connection, "a")
    engine.dispose()
    assert newest is not None
    assert newest.bundle_id == NEW


def test_the_command_tells_how_far_a_release_is(
    plant: Plant, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    release = plant.release()
    database = ["--database", str(tmp_path / "plant.sqlite")]
    words = ["release", "approve", str(release.release_id), *database, "--by", "ann", "--reason", "looks right"]
    assert main(words) == 0
    assert main(["release", "status", *database, "--json", str(tmp_path / "status.json")]) == 0
    told = capsys.readouterr().out
    assert "1 of 1 approvals" in told
    assert "waits: station a has not done: shadow" in told
    assert '"waits_for": "station a has not done: shadow"' in (tmp_path / "status.json").read_text()
    assert main(["release", "back", "no-such", *database, "--reason", "x"]) == 2
    assert "0 have an id that begins so" in capsys.readouterr().err


def test_a_release_is_found_by_the_beginning_of_its_id(plant: Plant) -> None:
    release = plant.release()
    with plant.engine.connect() as connection:
        assert find_release(connection, str(release.release_id)[:20]) == replace(release, at=release.at + timedelta(0))
