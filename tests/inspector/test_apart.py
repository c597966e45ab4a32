"""A build in a process of its own: what it says, how it fails, and that it never outlives who wants it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inspector.bundle import load_bundle
from inspector.errors import BundleError
from inspector.runtimes.trt.apart import build_apart, only_builder, sheet_of
from inspector.runtimes.trt.engines import Order
from inspector.runtimes.trt.kept import WantedEngine
from inspector.runtimes.trt.library import Library, load_library

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'open-inspector[tensorrt-rtx]'")


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("tensorrt-rtx")


@pytest.fixture
def wanted(library: Library, bundle_path: Path, tmp_path: Path) -> WantedEngine:
    return WantedEngine(load_bundle(bundle_path), Order("float", "sm86"), library, tmp_path / "made" / "one.engine")


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_the_library_builds_and_keeps_an_engine_in_another_process(wanted: WantedEngine) -> None:
    build_apart(wanted, "gpu", lambda _: None)
    kept = wanted.read()
    assert kept is not None
    assert len(kept) > 100_000


def test_what_the_library_refuses_is_refused_in_its_words(library: Library, bundle_path: Path, tmp_path: Path) -> None:
    unknown = WantedEngine(load_bundle(bundle_path), Order("trt-int8", "sm86"), library, tmp_path / "one.engine")
    with pytest.raises(BundleError, match=r"trt-int8"):
        build_apart(unknown, "gpu", lambda _: None)
    assert unknown.read() is None


def test_how_far_it_is_is_told_again_while_there_is_no_news(wanted: WantedEngine) -> None:
    told: list[str] = []
    build_apart(
        wanted, "gpu", told.append, command=python("import time; print('layers: 1 of 9', flush=True); time.sleep(2.5)")
    )
    assert told[0] == "begun, after 0 s"
    assert len([words for words in told if words.startswith("layers: 1 of 9, after ")]) >= 2


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            r"one\.engine: the process that built it died \(signal 11",
        ),
        (
            "import sys; print('MyelinCheckException', file=sys.stderr); sys.exit(3)",
            r"exit status 3: MyelinCheckException",
        ),
        ("import sys; print('model.onnx: no', file=sys.stderr); sys.exit(2)", r"^model\.onnx: no$"),
        ("import time; time.sleep(60)", r"nothing new of its build within 0\.2 s"),
    ],
)
def test_a_build_that_crashes_refuses_or_hangs_is_said_so(wanted: WantedEngine, script: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        build_apart(wanted, "gpu", lambda _: None, patience_s=0.2 if "sleep" in script else 60, command=python(script))


def test_a_process_that_cannot_be_started_is_said_so(wanted: WantedEngine) -> None:
    with pytest.raises(BundleError, match=r"no process to build it in \(No such file"):
        build_apart(wanted, "gpu", lambda _: None, command=["no-such-python"])


def test_a_build_ends_with_the_process_that_wants_it(wanted: WantedEngine) -> None:
    command = [sys.executable, "-m", "inspector.runtimes.trt.apart"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(f"{sheet_of(wanted, 'gpu').model_dump_json()}\n")
    child.stdin.close()  # as the end of its parent closes it
    assert child.wait(60) == 1
    child.stdout.close()  # type: ignore[union-attr]
    assert not wanted.path.exists()


def test_of_two_processes_that_want_an_engine_one_builds_it(wanted: WantedEngine) -> None:
    holding = f"import fcntl, sys, time; f = open({str(wanted.path.with_suffix('.lock'))!r}, 'w')\n"
    wanted.path.parent.mkdir()
    holder = subprocess.Popen(
        python(holding + "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)
        holder.stdin.close()  # type: ignore[union-attr]

    with only_builder(wanted.path, tell) as may_write:
        assert may_write
    assert told[0] == "another process builds it"
    assert holder.wait(30) == 0
    holder.stdout.close()
