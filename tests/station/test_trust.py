"""A station that requires signatures: what it refuses, by which reason, and that its event log has it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine

from db.audit_keys import PrivateKey, new_key, write_keys
from db.engine import open_engine, writing
from db.ledger import Ledger
from db.orders import GivenOrder, Order, OrderKind, OrderState, give, orders
from db.queries import events
from db.records import Event, Severity
from db.servings import Served
from db.signatures import KEY_NAMES, sign_bundle
from inspector.bundle import Lineage, load_bundle, write_bundle
from inspector.errors import BundleError, ConfigError
from inspector.preprocess import InputSpec
from station.config import StationConfig, station_config
from station.ordering import OrderFeed, propose, run_value
from station.running import run_station
from station.succession import Proposal
from tests.conftest import brightness_network, bundle_files, golden, manifest


@dataclass(frozen=True)
class Plant:
    """A trusted key, and bundles of two years: `old` and `new` are signed, `unsigned` is as new as `new`."""

    folder: Path
    key: PrivateKey
    old: Path
    new: Path
    unsigned: Path

    def config(self, bundle: Path, **station: Any) -> StationConfig:
        block = {
            "name": "press",
            "folder": str(self.folder / "station"),
            "bundle": str(bundle),
            "require_signature": True,
            "trusted_keys": [f"keys/{KEY_NAMES[1]}"],
            **station,
        }
        camera = {"kind": "folder", "path": str(self.folder)}
        return station_config({"station": block, "camera": camera}, "station.toml", self.folder)


def made(folder: Path, year: int, bias: float, **changes: Any) -> Path:
    when = datetime(year, 1, 1, tzinfo=UTC)
    lineage = Lineage(dataset="made", dataset_hash="0" * 64, code_version="0", seed=0, created_at=when)
    files, described = bundle_files(brightness_network(bias)), manifest(lineage=lineage, **changes)
    if changes:  # refused before its network is asked
        return write_bundle(folder / "bundles", described, files)
    plain = write_bundle(folder / "plain", described, files)
    return write_bundle(folder / "bundles", described, {**files, **golden(plain)})


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    key = new_key()
    write_keys(key, tmp_path / "keys", KEY_NAMES)
    old, new, unsigned = (made(tmp_path, year, bias) for year, bias in ((2025, 7.0), (2026, 8.0), (2026, 9.0)))
    for path in (old, new):
        sign_bundle(load_bundle(path), key, "ann", datetime(2026, 1, 2, tzinfo=UTC))
    return Plant(tmp_path, key, old, new, unsigned)


def order(kind: OrderKind, wanted: Path) -> GivenOrder:
    return GivenOrder(1, Order("press", kind, "ann", "a test", str(wanted)), OrderState.WANTED, "", None)


def test_a_signed_bundle_is_proposed(plant: Plant) -> None:
    config = plant.config(plant.new)
    proposal = propose(config, order(OrderKind.BUNDLE, plant.new), plant.new, config.recipe)
    assert proposal.run.bundle_id == load_bundle(plant.new).id


def test_an_unsigned_bundle_is_taken_where_nothing_is_required(plant: Plant) -> None:
    config = plant.config(plant.new, require_signature=False)
    assert propose(config, order(OrderKind.BUNDLE, plant.unsigned), plant.unsigned, config.recipe)


@pytest.mark.parametrize("kind", [OrderKind.BUNDLE, OrderKind.SHADOW, OrderKind.ROLLBACK])
def test_no_order_lets_an_unsigned_bundle_in(plant: Plant, kind: OrderKind) -> None:
    config = plant.config(plant.new)
    with pytest.raises(BundleError, match="not signed"):
        propose(config, order(kind, plant.unsigned), plant.unsigned, config.recipe)


def test_a_bundle_signed_with_another_key_is_refused(plant: Plant) -> None:
    sign_bundle(load_bundle(plant.unsigned), new_key(), "mallory", datetime(2026, 1, 2, tzinfo=UTC))
    config = plant.config(plant.new)
    with pytest.raises(BundleError, match="none of the 1 keys that are trusted"):
        propose(config, order(OrderKind.BUNDLE, plant.unsigned), plant.unsigned, config.recipe)


def test_signatures_without_a_trusted_key_are_a_fault_of_the_configuration(plant: Plant) -> None:
    with pytest.raises(ConfigError, match="require_signature needs trusted_keys"):
        plant.config(plant.new, trusted_keys=[])


def test_a_station_does_not_start_on_an_unsigned_bundle_and_its_event_log_says_why(plant: Plant) -> None:
    config = plant.config(plant.unsigned)
    with pytest.raises(BundleError, match="not signed"):
        run_station(config, threading.Event())
    assert [event.message for event in alarms(config)] == [
        f"{plant.unsigned}: not signed; expected signatures.json (`inspector bundle sign`)"
    ]


def test_a_station_does_not_start_on_a_bundle_from_before_the_one_that_served(plant: Plant) -> None:
    served(plant, plant.new)
    config = plant.config(plant.old)
    with pytest.raises(BundleError, match="an older one needs the order rollback"):
        run_station(config, threading.Event())
    assert [event.kind for event in alarms(config)] == ["bundle refused"]


def test_an_older_bundle_is_refused_as_an_order_and_taken_as_a_rollback(plant: Plant) -> None:
    served(plant, plant.old)
    served(plant, plant.new)
    refused, taken = handed_over(plant.config(plant.new), (OrderKind.BUNDLE, plant.old), (OrderKind.ROLLBACK, None))
    assert [why.partition("before bundle")[2][:17].strip() for why in refused] == [load_bundle(plant.new).id[:16]]
    assert [proposal.bundle for proposal in taken] == [plant.old]


def test_a_running_station_refuses_each_unfit_bundle_by_its_reason_in_the_event_log_and_takes_the_signed_one(
    plant: Plant,
) -> None:
    wanted = unfit_bundles(plant)
    served(plant, plant.new)
    (plant.folder / "pictures").mkdir()
    cv2.imwrite(str(plant.folder / "pictures" / "0.png"), np.full((96, 128, 3), 200, np.uint8))
    config = plant.config(plant.new, hang_s=60, start_s=300)
    camera = config.camera.model_copy(update={"path": plant.folder / "pictures", "pace_hz": 5, "loops": 100_000})
    config = config.model_copy(update={"cameras": (camera,)})
    answers = ordered(config, [path for path, _ in wanted])
    for (path, cause), given in zip(wanted, answers, strict=True):
        if cause:
            assert given.state is OrderState.REFUSED, path
            assert cause in given.actual
        else:
            assert given.state is OrderState.DONE, given.actual
    told = [event.message for event in alarms(config) if event.kind == "bundle refused"]
    for _, cause in wanted:
        assert not cause or any(cause in message for message in told), cause


def unfit_bundles(plant: Plant) -> list[tuple[Path, str]]:
    """Every bundle that must be refused with a part of the reason, and at last one that must be taken."""
    stranger = made(plant.folder, 2027, 6.0)
    sign_bundle(load_bundle(stranger), new_key(), "mallory", datetime(2027, 1, 2, tzinfo=UTC))
    flipped = plant.folder / "flipped" / plant.new.name
    shutil.copytree(plant.new, flipped)
    model = flipped / "model.cpu-int8.onnx"
    model.write_bytes(bytes([model.read_bytes()[0] ^ 1]) + model.read_bytes()[1:])
    other_recipe, other_size, fit = (made(plant.folder, 2027, bias, **changes) for bias, changes in VARIANTS)
    for path in (other_recipe, other_size, fit):
        sign_bundle(load_bundle(path), plant.key, "ann", datetime(2027, 1, 2, tzinfo=UTC))
    return [
        (plant.unsigned, "not signed"),
        (stranger, "none of the 1 keys that are trusted"),
        (flipped, "has been altered"),
        (plant.old, "an older one needs the order rollback"),
        (other_recipe, "classes are good, scratch; recipe default expects good, dark"),
        (other_size, "input is 48x48 pixels; recipe default expects 32x32"),
        (fit, ""),
    ]


VARIANTS: tuple[tuple[float, dict[str, Any]], ...] = (
    (5.0, {"classes": ("good", "scratch")}),
    (4.0, {"input": InputSpec(height=48, width=48)}),
    (7.5, {}),
)


def ordered(config: StationConfig, bundles: list[Path]) -> list[GivenOrder]:
    """Give orders to a station that runs, one after the other, and return what it made of each."""
    engine, stop, given = open_engine(config.database_url), threading.Event(), []
    thread = threading.Thread(target=lambda: run_station(config, stop), name="station")
    thread.start()
    try:
        for path in bundles:
            with writing(engine) as connection:
                number = give(connection, Order("press", OrderKind.BUNDLE, "ann", "a test", str(path)))
            given.append(settled(engine, number))
    finally:
        stop.set()
        thread.join(60)
        engine.dispose()
    return given


def settled(engine: Engine, number: int) -> GivenOrder:
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        with engine.connect() as connection:
            found = next(each for each in orders(connection, "press") if each.number == number)
        if found.settled_at is not None:
            return found
        time.sleep(0.05)
    pytest.fail(f"order {number} was neither done nor refused")


def served(plant: Plant, bundle: Path) -> None:
    """Put on record that a bundle served."""
    config = plant.config(bundle)
    config.station.folder.mkdir(exist_ok=True)
    with Ledger(config.database_url) as ledger:
        run = run_value(config, load_bundle(bundle), None)
        ledger.start_run(run, Served(bundle))
        ledger.end_run(run.run_id, clean=True).result(30)


def handed_over(
    config: StationConfig, *wanted: tuple[OrderKind, Path | None]
) -> tuple[list[str], list[GivenOrder | Proposal]]:
    """Give orders, and let a station's feed look at them; return why some were refused, and what was taken."""
    engine = open_engine(config.database_url)
    with writing(engine) as connection:
        for kind, path in wanted:
            give(connection, Order("press", kind, "ann", "a test", str(path) if path else ""))
    engine.dispose()
    refused: list[str] = []
    taken: list[Any] = []

    def refuse(_: GivenOrder, why: str) -> None:
        refused.append(why)

    def at_once(action: Callable[[], None]) -> None:
        action()

    feed = OrderFeed(config, look_again_s=0.01)
    feed.begin(at_once, taken.append, refuse)  # type: ignore[arg-type]
    until_s = time.monotonic() + 30
    while len(refused) + len(taken) < len(wanted) and time.monotonic() < until_s:
        time.sleep(0.01)
    feed.close()
    return refused, taken


def alarms(config: StationConfig) -> list[Event]:
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        found = [event for event in events(connection, 100) if event.severity is Severity.ALARM]
    engine.dispose()
    return found
