"""A runtime that fails on the line: the whole station, with a runtime plug-in that turns bad after some parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.engine import open_engine
from db.queries import events
from inspector.bundle import load_bundle
from inspector.choice import store_table
from inspector.parity import Candidate, Evidence, RuntimeTable, machine
from inspector.runtimes import RuntimeSettings
from inspector.values import InspectionRecord, Outcome
from station.config import StationConfig
from station.running import RunSummary

GOOD_FOR = 8
"""Runs before the fault: the bundle's samples, the warm-up, and some parts."""
PLUGIN = f"""
import threading

import numpy as np

from inspector.runtimes.ort import OnnxRuntime


class Moody:
    def __init__(self, model, settings):
        self._fault = settings.device
        self._able = OnnxRuntime(model, settings.model_copy(update={{"kind": "onnxruntime", "device": "cpu"}}))
        self._runs = 0

    def describe(self):
        return {{**self._able.describe(), "runtime": "moody"}}

    def run(self, batch):
        self._runs += 1
        outputs = dict(self._able.run(batch))
        if self._runs <= {GOOD_FOR}:
            return outputs
        if self._fault == "hangs":
            threading.Event().wait()
        if self._fault == "raises":
            raise RuntimeError("out of memory on the device")
        if self._fault == "nan":
            return {{name: np.full_like(values, np.nan) for name, values in outputs.items()}}
        return {{name: values[:, :1] for name, values in outputs.items()}}
"""


@pytest.fixture
def moody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plug-in as a package of its own would be; processes that are started find it too."""
    packages = tmp_path / "packages"
    named = packages / "moody-1.dist-info"
    named.mkdir(parents=True)
    (packages / "moody_runtime.py").write_text(PLUGIN)
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1\n")
    (named / "entry_points.txt").write_text("[inspector.runtimes]\nmoody = moody_runtime:Moody\n")
    monkeypatch.syspath_prepend(packages)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("hangs", "no answer within 300 ms"),
        ("raises", "out of memory on the device"),
        ("nan", "not numbers"),
        ("shape", "shape"),
    ],
)
def test_part_at_which_a_runtime_fails_is_judged_by_the_spare_and_the_line_is_told(
    fault: str,
    said: str,
    moody: None,
    make_config: Callable[..., StationConfig],
    run: Callable[[StationConfig], RunSummary],
    rows: Callable[[RunSummary], list[InspectionRecord]],
    tmp_path: Path,
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'[runtime]\nkind = "moody"\ndevice = "{fault}"\ngive_up_ms = 300\n')
    config = make_config(recipe=str(recipe), deadline_ms=20_000)
    ways = (config.recipe.runtime, RuntimeSettings())
    proved = tuple(
        Evidence(candidate=Candidate(precision=config.recipe.precision, runtime=way), p50_ms=1.0) for way in ways
    )
    bundle = load_bundle(config.station.bundle)
    table = RuntimeTable(bundle=bundle.id, machine=machine(), measured_at=datetime.now(UTC), evidence=proved)
    store_table(bundle, table, config.post)
    summary = run(config)
    parts = rows(summary)
    assert [part.outcome for part in parts] == [Outcome.REJECT if n % 3 == 0 else Outcome.PASS for n in range(12)]
    assert summary.status.restarts == 0
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        told = [event.message for event in events(connection, 100) if event.kind == "runtime failed"]
    engine.dispose()
    assert len(told) == 1
    assert told[0].startswith("moody: ")
    assert said in told[0].lower()
    assert "; onnxruntime " in told[0]
