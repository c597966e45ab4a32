"""A spare takes over when a runtime fails in any of the ways that runtimes fail in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.errors import RuntimeFault
from inspector.fallback import SteadyModel
from inspector.inspection import Inspector
from inspector.model import Model, load_model
from inspector.recipe import Recipe
from inspector.runtimes import Batch, Outputs
from inspector.values import Frame, Outcome
from tests.conftest import SIZE

Answer = Callable[[int], Outputs]
DARK = [np.full((SIZE, SIZE, 3), 30, np.uint8)]


class FakeRuntime:
    """Answers with a function of the batch's size and counts how often it was asked."""

    def __init__(self, name: str, answer: Answer) -> None:
        self.name, self.answer, self.asked = name, answer, 0

    def run(self, batch: Batch) -> Outputs:
        self.asked += 1
        return self.answer(len(batch))

    def describe(self) -> Mapping[str, str]:
        return {"runtime": self.name, "device": "none"}


def logits(*row: float) -> Answer:
    return lambda n: {"logits": np.tile(np.array(row, np.float32), (n, 1))}


def raises(error: Exception) -> Answer:
    def answer(_: int) -> Outputs:
        raise error

    return answer


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets a runtime that hangs go on when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def model_of(bundle_path: Path) -> Callable[[FakeRuntime], Model]:
    head = load_model(load_bundle(bundle_path), "float").head
    return lambda runtime: Model(runtime, head, "float")


FAULTS: dict[str, Answer] = {
    "raises": raises(RuntimeFault("out of memory")),
    "raises what no adapter maps": raises(ValueError("bad handle")),
    "answers NaN": logits(0.0, np.nan),
    "answers another shape": logits(0.0, 1.0, 2.0),
    "answers too few": lambda _: {"logits": np.zeros((0, 2), np.float32)},
    "lacks the output": lambda n: {"boxes": np.zeros((n, 4), np.float32)},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_spare_judges_the_very_part_that_the_first_runtime_failed_on(
    fault: str, model_of: Callable[[FakeRuntime], Model], caplog: pytest.LogCaptureFixture
) -> None:
    broken, spare = FakeRuntime("broken", FAULTS[fault]), FakeRuntime("spare", logits(0.0, 6.0))
    model = SteadyModel([model_of(broken), model_of(spare)], give_up_s=5)
    assert model.describe()["spare"] == "spare"
    assert [model.predict(DARK)[0].label for _ in range(3)] == ["dark"] * 3
    assert (broken.asked, spare.asked) == (1, 3)
    assert model.describe()["runtime"] == "spare"
    assert len(model.faults) == 1
    assert "runtime broken failed" in caplog.text


def test_a_runtime_that_hangs_is_left_behind_within_the_time_it_is_given(
    model_of: Callable[[FakeRuntime], Model], released: threading.Event
) -> None:
    def hang(n: int) -> Outputs:
        released.wait(30)
        return logits(9.0, 0.0)(n)

    model = SteadyModel([model_of(FakeRuntime("stuck", hang)), model_of(FakeRuntime("spare", logits(0.0, 6.0)))], 0.1)
    started = time.monotonic()
    assert model.predict(DARK)[0].label == "dark"
    assert 0.1 <= time.monotonic() - started < 10
    assert model.faults == ["stuck: no answer within 100 ms; spare takes over"]


def test_without_a_spare_a_fault_is_the_callers(model_of: Callable[[FakeRuntime], Model]) -> None:
    model = SteadyModel([model_of(FakeRuntime("broken", FAULTS["answers NaN"]))], give_up_s=1)
    with pytest.raises(RuntimeFault, match="not numbers"):
        model.predict(DARK)


def test_when_all_fail_the_last_ones_fault_is_told(model_of: Callable[[FakeRuntime], Model]) -> None:
    broken = [FakeRuntime(name, raises(RuntimeFault(name))) for name in ("one", "two", "three")]
    model = SteadyModel([model_of(runtime) for runtime in broken], give_up_s=5)
    with pytest.raises(RuntimeFault, match="three"):
        model.predict(DARK)
    assert [fault.partition(":")[0] for fault in model.faults] == ["one", "two"]


def test_a_part_on_a_runtime_that_fails_gets_its_verdict_from_the_spare(
    bundle_path: Path, model_of: Callable[[FakeRuntime], Model], part_image: Callable[[int, int], np.ndarray]
) -> None:
    bundle = load_bundle(bundle_path)
    steady = SteadyModel([model_of(FakeRuntime("broken", FAULTS["raises"])), load_model(bundle, "float")], 5)
    inspector = Inspector(bundle, Recipe(quality={"min_focus": 0}), model=steady)  # type: ignore[arg-type]
    frame = Frame(part_image(40, 0), "top", 1, datetime.now(UTC))
    assert inspector.inspect([frame]).verdict.outcome is Outcome.REJECT


def test_no_model_is_no_steady_model() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SteadyModel([], 1)


def test_a_model_that_nobody_holds_leaves_no_thread(model_of: Callable[[FakeRuntime], Model]) -> None:
    first = model_of(FakeRuntime("first", logits(0.0, 6.0)))
    model = SteadyModel([first, first], 5)
    model.predict(DARK)
    assert any(thread.name == "inference" for thread in threading.enumerate())
    del model
