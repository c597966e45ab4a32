"""Runtimes compared on this machine, and the choice that the comparison allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspector import runtimes
from inspector.bundle import Bundle, load_bundle
from inspector.choice import ready_model, stored_table, table_path
from inspector.cli import main
from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable
from inspector.inspection import Inspector
from inspector.model import load_model
from inspector.parity import Candidate, RuntimeTable, candidates, prove
from inspector.recipe import Recipe
from inspector.runtimes import Batch, Outputs, RuntimeSettings
from inspector.runtimes.ort import OnnxRuntime
from inspector.values import Frame
from tests.conftest import brightness_network, bundle_files, golden, manifest

AUTO = Recipe(quality={"min_focus": 0}, runtime=RuntimeSettings(kind="auto"))  # type: ignore[arg-type]
PLAIN = Recipe(quality={"min_focus": 0})  # type: ignore[arg-type]


class Shifted(OnnxRuntime):
    """ONNX Runtime with a logit moved: a library that computes something else."""

    shift = 0.0

    def run(self, batch: Batch) -> Outputs:
        return {name: values + np.float32([0, self.shift]) for name, values in super().run(batch).items()}

    def describe(self) -> Mapping[str, str]:
        return {**super().describe(), "runtime": f"shifted by {self.shift}"}


class Slightly(Shifted):
    shift = 0.05


class Wrong(Shifted):
    shift = -30.0


class Broken(Shifted):
    def run(self, batch: Batch) -> Outputs:
        raise RuntimeFault("no kernel image")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle in a folder of its own, for tables lie beside bundles."""
    from inspector.bundle import write_bundle

    files = bundle_files(brightness_network())
    plain = write_bundle(tmp_path / "plain", manifest(), files)
    return load_bundle(write_bundle(tmp_path / "bundles", manifest(), {**files, **golden(plain)}))


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Slightly, Wrong, Broken):
        monkeypatch.setitem(runtimes.RUNTIMES, kind.__name__.lower(), f"{__name__}:{kind.__name__}")
    monkeypatch.setattr("inspector.plugins.import_module", lambda name: globals_of(name))


def globals_of(name: str) -> object:
    """This module is imported by path, so its name finds nothing."""
    import importlib
    import types

    if name != __name__:
        return importlib.import_module(name)
    return types.SimpleNamespace(Slightly=Slightly, Wrong=Wrong, Broken=Broken)


def ways(*kinds: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(precision="float", runtime=RuntimeSettings(kind=kind, threads=1)) for kind in kinds)


def by_kind(table: RuntimeTable) -> dict[str, object]:
    return {one.candidate.runtime.kind: one for one in table.evidence}


@pytest.mark.usefixtures("kinds")
def test_each_runtime_is_compared_with_the_reference_and_refused_for_what_it_does(bundle: Bundle) -> None:
    found = by_kind(prove(bundle, PLAIN, ways=ways("onnxruntime", "slightly", "wrong", "broken", "abacus")))
    assert {kind: one.refused is None for kind, one in found.items()} == {  # type: ignore[attr-defined]
        "onnxruntime": True,
        "slightly": True,
        "wrong": False,
        "broken": False,
        "abacus": False,
    }
    assert found["onnxruntime"].largest_difference == 0  # type: ignore[attr-defined]
    assert found["slightly"].largest_difference == pytest.approx(0.0125, abs=0.001)  # type: ignore[attr-defined]
    assert found["wrong"].refused == "2 golden samples have another outcome"  # type: ignore[attr-defined]
    assert "no kernel image" in found["broken"].refused  # type: ignore[attr-defined]


@pytest.mark.usefixtures("kinds")
def test_parts_of_the_stations_own_count_as_golden_samples_do(
    bundle: Bundle, part_image: Callable[[int, int], np.ndarray]
) -> None:
    frames = [Frame(part_image(level, level), "top", level, datetime.now(UTC)) for level in (40, 60, 215)]
    found = by_kind(prove(bundle, PLAIN, frames, ways("onnxruntime", "wrong")))
    assert found["onnxruntime"].parts == 6  # type: ignore[attr-defined]
    assert (found["wrong"].flips, found["wrong"].rejects_passed) == (4, 3)  # type: ignore[attr-defined]


def test_a_bundle_without_golden_samples_proves_nothing(tmp_path: Path) -> None:
    from inspector.bundle import write_bundle

    bare = load_bundle(write_bundle(tmp_path, manifest(), bundle_files(brightness_network())))
    with pytest.raises(BundleError, match="no golden samples"):
        prove(bare, PLAIN)


def test_the_reference_of_every_precision_stands_first(bundle: Bundle) -> None:
    first: dict[str, Candidate] = {}
    for candidate in candidates(bundle):
        first.setdefault(candidate.precision, candidate)
    assert {name: one.runtime.kind for name, one in first.items()} == {
        "float": "onnxruntime",
        "cpu-int8": "onnxruntime",
    }


def test_auto_measures_once_keeps_the_table_and_says_what_it_chose(bundle: Bundle) -> None:
    inspector = Inspector(bundle, AUTO)
    assert inspector.self_test() == 3
    table = stored_table(bundle)
    assert table is not None
    best = table.proved[0].candidate
    assert (inspector.recipe.runtime, inspector.recipe.precision) == (best.runtime, best.precision)
    written = table_path(bundle).stat().st_mtime_ns
    Inspector(bundle, AUTO)
    assert table_path(bundle).stat().st_mtime_ns == written


@pytest.mark.parametrize("field", ["machine", "bundle"])
def test_a_table_of_another_machine_or_bundle_is_measured_again(bundle: Bundle, field: str) -> None:
    Inspector(bundle, AUTO)
    content = json.loads(table_path(bundle).read_text())
    content[field] = {"processor": "another"} if field == "machine" else "0" * 64
    table_path(bundle).write_text(json.dumps(content))
    assert stored_table(bundle) is None


def test_a_table_that_is_no_json_is_measured_again(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    table_path(bundle).parent.mkdir()
    table_path(bundle).write_text("{")
    assert stored_table(bundle) is None
    assert "measured again" in caplog.text


@pytest.mark.usefixtures("kinds")
def test_auto_takes_the_fastest_that_is_proved_and_a_spare_of_another_library(bundle: Bundle) -> None:
    table = prove(bundle, PLAIN, ways=ways("onnxruntime", "slightly", "wrong"))
    table_path(bundle).parent.mkdir()
    ranked = sorted(table.evidence, key=lambda one: one.candidate.runtime.kind != "slightly")
    table_path(bundle).write_text(table.model_copy(update={"evidence": tuple(ranked)}).model_dump_json())
    model, recipe = ready_model(bundle, AUTO)
    assert recipe.runtime.kind == "slightly"
    assert model.describe()["runtime"] == "shifted by 0.05"
    assert model.describe()["spare"].startswith("onnxruntime ")


@pytest.mark.usefixtures("kinds")
def test_auto_without_a_proved_runtime_is_refused_with_every_reason(bundle: Bundle) -> None:
    table = prove(bundle, PLAIN, ways=ways("onnxruntime", "wrong"))
    table_path(bundle).parent.mkdir()
    refused = tuple(one for one in table.evidence if one.refused)
    table_path(bundle).write_text(table.model_copy(update={"evidence": refused}).model_dump_json())
    with pytest.raises(RuntimeUnavailable, match=r"no runtime of this machine is proved .*golden samples"):
        ready_model(bundle, AUTO)


def test_where_the_precision_is_given_auto_is_the_reference(bundle: Bundle) -> None:
    how = load_model(bundle, "float", RuntimeSettings(kind="auto", threads=1)).describe()
    assert (how["runtime"].split()[0], how["threads"]) == ("onnxruntime", "1")


def test_verify_all_prints_keeps_and_writes_the_evidence(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "evidence.json"
    assert main(["bundle", "verify", str(bundle.path), "--runtimes", "all", "--json", str(out)]) == 0
    table = RuntimeTable.model_validate_json(out.read_text())
    assert table.bundle == bundle.id
    assert stored_table(bundle) == table
    assert {one.candidate.precision for one in table.proved} == {"float", "cpu-int8"}
    printed = capsys.readouterr().out
    assert "onnxruntime cpu" in printed
    assert "refused: " in printed


def test_a_required_runtime_that_is_not_proved_is_a_failure_with_its_reason(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ["bundle", "verify", str(bundle.path), "--runtimes", "all", "--require"]
    assert main([*verify, "onnxruntime"]) == 0
    assert main([*verify, "tensorrt"]) == 2
    assert "--require tensorrt: not proved on this machine" in capsys.readouterr().err


def test_a_data_set_without_all_runtimes_is_bad_usage(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "verify", str(bundle.path), "parts"]) == 2
    assert "--runtimes all" in capsys.readouterr().err
