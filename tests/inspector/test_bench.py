from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.cli import main
from inspector.errors import BundleError, RuntimeUnavailable
from inspector.pace import ROUND, measure_paces, ratios, ways
from inspector.runtimes import Runtime, RuntimeSettings
from inspector.runtimes.node_times import by_operator, node_times


class FakeRuntime:
    """Takes as many ms on the fake clock as its file says."""

    def __init__(self, clock: FakeClock, cost_s: float) -> None:
        self.clock, self.cost_s = clock, cost_s

    def run(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        self.clock.now_s += self.cost_s
        return {}

    def describe(self) -> Mapping[str, str]:
        return {"threads": "1"}


class FakeClock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def load() -> tuple[FakeClock, Callable[[Path, RuntimeSettings], Runtime]]:
    clock = FakeClock()

    def load(model: Path, settings: RuntimeSettings) -> Runtime:
        if settings.kind == "absent":
            raise RuntimeUnavailable("runtime 'absent' needs absent")
        return FakeRuntime(clock, 0.002 if "int8" in model.name else 0.005)

    return clock, load


def test_ratio_is_float_time_over_int8_time_of_the_same_runtime(bundle_path: Path, load: tuple) -> None:  # type: ignore[type-arg]
    (clock, loader), bundle = load, load_bundle(bundle_path)
    paces = measure_paces(bundle, 0.1, ways(bundle, ("fast",)), clock, loader)
    assert [(pace.precision, round(pace.p50_ms, 6)) for pace in paces] == [("float", 5.0), ("cpu-int8", 2.0)]
    assert ratios(paces) == {"fast_cpu_int8_ratio": pytest.approx(2.5)}
    assert paces[0].images_per_s == pytest.approx(200)


def test_networks_take_turns_so_that_a_busy_machine_hits_them_alike(bundle_path: Path, load: tuple) -> None:  # type: ignore[type-arg]
    (clock, loader), bundle = load, load_bundle(bundle_path)
    paces = measure_paces(bundle, 0.1, ways(bundle, ("fast",)), clock, loader)
    assert paces[0].runs == paces[1].runs
    assert paces[0].runs % ROUND == 0
    assert paces[0].runs * 0.007 == pytest.approx(0.2, abs=ROUND * 0.007)


def test_a_runtime_that_is_not_installed_is_left_out(bundle_path: Path, load: tuple) -> None:  # type: ignore[type-arg]
    (clock, loader), bundle = load, load_bundle(bundle_path)
    paces = measure_paces(bundle, 0.01, ways(bundle, ("absent", "fast")), clock, loader)
    assert {pace.runtime for pace in paces} == {"fast"}
    with pytest.raises(BundleError, match="'absent' needs absent"):
        measure_paces(bundle, 0.01, ways(bundle, ("absent",)), clock, loader)


def test_profile_names_each_operator_of_the_network(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    times = node_times(bundle.model_path("float"), np.zeros((1, 32, 32, 3), np.uint8), 1)
    assert set(by_operator(times)) >= {"Cast", "ReduceMean"}
    assert all(time.mean_us >= 0 for time in times)
    assert [time.mean_us for time in times] == sorted((time.mean_us for time in times), reverse=True)


def test_bench_writes_ratios_first_and_says_what_holds_int8_back(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files of this bundle hold the same network, so int8 cannot be 1.8 times as fast."""
    monkeypatch.setattr("inspector.commands.bench.RUNTIMES", {"onnxruntime": ""})
    out = tmp_path / "bench.json"
    words = [
        "bench",
        str(bundle_path),
        "--json",
        str(out),
        "--seconds",
        "0.1",
        "--threads",
        "1",
        "--hourly-cost",
        "3.6",
    ]
    assert main(words) == 0
    figures = json.loads(out.read_text())
    assert next(iter(figures)) == "onnxruntime_cpu_int8_ratio"
    assert {(net["runtime"], net["precision"]) for net in figures["networks"]} == {
        ("onnxruntime", "float"),
        ("onnxruntime", "cpu-int8"),
    }
    for net in figures["networks"]:
        assert 0 < net["p50_ms"] <= net["p99_ms"]
        assert net["cost_per_million"] == pytest.approx(1000 / net["images_per_s"])
    (held,) = figures["held_back"]
    assert held["ratio"] < 1.8
    assert {row["operator"] for row in held["operators"]} >= {"Cast", "ReduceMean"}
    said = capsys.readouterr().out
    assert "slowest nodes that do not run in int8" in said


@pytest.mark.parametrize(
    "words",
    [
        ["--seconds", "0"],
        ["--threads=-1"],
        ["--batches", "0"],
        ["--hourly-cost", "nan"],
        ["--hourly-cost", "1", "--prices", "p.toml"],
    ],
)
def test_bad_usage_of_bench_is_one_line(
    bundle_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(bundle_path), *words]) == 2
    assert words[0].partition("=")[0] in capsys.readouterr().err


def test_further_threads_and_batches_are_measured_and_marked(bundle_path: Path, load: tuple) -> None:  # type: ignore[type-arg]
    (clock, loader), bundle = load, load_bundle(bundle_path)
    paces = measure_paces(bundle, 0.05, ways(bundle, ("fast",), (1, 2), (1, 8)), clock, loader)
    assert {(pace.threads, pace.batch) for pace in paces} == {(1, 1), (1, 8), (2, 1), (2, 8)}
    assert set(ratios(paces)) == {
        "fast_cpu_int8_ratio",
        "fast_cpu_int8_t1_b8_ratio",
        "fast_cpu_int8_t2_b1_ratio",
        "fast_cpu_int8_t2_b8_ratio",
    }
    assert {pace.batch: round(pace.images_per_s) for pace in paces if pace.precision == "float"} == {1: 200, 8: 1600}
    assert all(pace.best_ms <= pace.p50_ms <= pace.p99_ms <= pace.p999_ms for pace in paces)


class FakeMeter:
    """A machine that takes 10 W."""

    name = "fake"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def joules(self) -> float:
        return 10 * self.clock.now_s


def test_energy_is_counted_per_picture(bundle_path: Path, load: tuple) -> None:  # type: ignore[type-arg]
    (clock, loader), bundle = load, load_bundle(bundle_path)
    wanted = ways(bundle, ("fast",), (0,), (4,))
    paces = measure_paces(bundle, 0.05, wanted, clock, loader, [FakeMeter(clock)])
    assert [pace.joules_per_image for pace in paces] == [pytest.approx(0.05 / 4), pytest.approx(0.02 / 4)]


def test_a_page_with_plots_prices_and_limits_is_written(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="needs open-inspector[report]")
    monkeypatch.setattr("inspector.commands.bench.RUNTIMES", {"onnxruntime": ""})
    prices, page, out = (tmp_path / name for name in ("prices.toml", "bench.html", "bench.json"))
    prices.write_text("machine = 900\ncurrency = 'CHF'\npart_hz = 2\n")
    words = ["--seconds", "0.05", "--threads", "1,2", "--prices", str(prices), "--html", str(page), "--json", str(out)]
    assert main(["bench", str(bundle_path), *words]) == 0
    text, figures = page.read_text(), json.loads(out.read_text())
    assert text.count("<svg") == 2
    assert "CHF" in text
    assert "<script" not in text
    assert 'src="http' not in text
    assert [peaks["threads"] for peaks in figures["peaks"]] == [1, 2]
    assert all(net["roofline"]["share"] > 0 for net in figures["networks"])
    assert {net["machines"] for net in figures["networks"]} == {1}
    assert figures["steps"]["decode_jpg_ms"] > 0
