"""What has to be built before a runtime can be loaded, what stands in for so long, and what is never a spare."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspector.ahead import build_ahead, stand_in, unbuilt
from inspector.bundle import Bundle, Precision, load_bundle, write_bundle
from inspector.choice import ready_model, store_table
from inspector.errors import BundleError
from inspector.parity import Candidate, Evidence, RuntimeTable, machine
from inspector.post import Post
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings
from tests.conftest import brightness_network, bundle_files, manifest

PLUGIN = """
from inspector.errors import BundleError


class Slow:
    def __init__(self, model, settings):
        raise BundleError("loaded though it was not built")

    @classmethod
    def is_built(cls, model, settings):
        return (model.parent.parent / "built").exists()

    @classmethod
    def build(cls, model, settings, tell):
        tell("kernel 3 of 9")
        if settings.device == "fails":
            raise BundleError("no kernel fits")
        (model.parent.parent / "built").touch()
"""
SLOW = RuntimeSettings(kind="slow")
ORT, VINO = RuntimeSettings(threads=1), RuntimeSettings(kind="openvino", threads=1)


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "packages"
    named = packages / "slow-1.dist-info"
    named.mkdir(parents=True)
    (packages / "slow_ahead.py").write_text(PLUGIN)
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (named / "entry_points.txt").write_text("[inspector.runtimes]\nslow = slow_ahead:Slow\n")
    monkeypatch.syspath_prepend(packages)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(write_bundle(tmp_path / "bundles", manifest(), bundle_files(brightness_network())))


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path, patience_s=0.5)


def prove(bundle: Bundle, post: Post, *rows: tuple[RuntimeSettings, Precision, float]) -> None:
    """Keep a table whose rows are proved, each with its p99 in ms, the fastest first."""
    evidence = tuple(
        Evidence(candidate=Candidate(precision=precision, runtime=runtime), p50_ms=p99, p99_ms=p99)
        for runtime, precision, p99 in rows
    )
    made = RuntimeTable(bundle=bundle.id, machine=machine(), measured_at=datetime.now(UTC), evidence=evidence)
    store_table(bundle, made, post)


def test_what_has_to_be_built_is_named_and_built_once(bundle: Bundle, post: Post) -> None:
    recipe, told = Recipe(runtime=SLOW), []
    assert [one.runtime.kind for one in unbuilt(bundle, recipe, post)] == ["slow"]
    build_ahead(bundle, recipe, post, told.append)
    build_ahead(bundle, recipe, post, told.append)
    assert [words.rpartition(": ")[2] for words in told] == ["kernel 3 of 9"]
    assert unbuilt(bundle, recipe, post) == ()


@pytest.mark.parametrize("runtime", [ORT, RuntimeSettings(kind="nobody-has-it"), RuntimeSettings(device="cuda")])
def test_a_runtime_with_nothing_to_build_or_that_is_not_there_is_left_to_loading(
    bundle: Bundle, post: Post, runtime: RuntimeSettings
) -> None:
    assert unbuilt(bundle, Recipe(runtime=runtime), post) == ()


def test_a_build_that_fails_is_the_callers_unless_auto_may_take_another(bundle: Bundle, post: Post) -> None:
    failing = SLOW.model_copy(update={"device": "fails"})
    with pytest.raises(BundleError, match="no kernel fits"):
        build_ahead(bundle, Recipe(runtime=failing), post, lambda _: None)
    prove(bundle, post, (failing, "cpu-int8", 1.0), (ORT, "cpu-int8", 2.0))
    build_ahead(bundle, Recipe(runtime=RuntimeSettings(kind="auto")), post, lambda _: None)


def test_the_fastest_at_the_recipes_precision_that_is_quick_enough_stands_in(bundle: Bundle, post: Post) -> None:
    recipe = Recipe(runtime=SLOW, precision="cpu-int8")
    assert stand_in(bundle, recipe, post) is None
    prove(bundle, post, (SLOW, "cpu-int8", 1.0), (ORT, "float", 2.0), (VINO, "cpu-int8", 3.0), (ORT, "cpu-int8", 4.0))
    found = stand_in(bundle, recipe, post)
    assert found is not None
    assert (found.runtime.kind, found.precision) == ("openvino", "cpu-int8")
    prove(bundle, post, (SLOW, "cpu-int8", 1.0), (ORT, "float", 2.0), (VINO, "cpu-int8", 501.0))
    found = stand_in(bundle, recipe, post)
    assert found is not None
    assert (found.runtime.kind, found.precision) == ("onnxruntime", "float")
    prove(bundle, post, (SLOW, "cpu-int8", 1.0))
    assert stand_in(bundle, recipe, post) is None


def test_a_runtime_that_is_yet_to_be_built_is_no_spare(bundle: Bundle, post: Post) -> None:
    prove(bundle, post, (ORT, "cpu-int8", 1.0), (SLOW, "cpu-int8", 2.0))
    model, _ = ready_model(bundle, Recipe(runtime=ORT), post)
    assert model.describe()["spare"] == "none"
    prove(bundle, post, (ORT, "cpu-int8", 1.0), (SLOW, "cpu-int8", 2.0), (VINO, "cpu-int8", 3.0))
    model, _ = ready_model(bundle, Recipe(runtime=ORT), post)
    assert model.describe()["spare"].startswith("openvino")
