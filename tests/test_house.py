"""The house rules that a tool does not check by itself, and that the tools which check the others really bite."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("inspector", "station", "training", "gui", "db")
MODULES = sorted(
    path for package in (*PACKAGES, "benchmarks") for path in (ROOT / package).rglob("*.py") if path.is_file()
)
FORBIDDEN_WORDS = {"utils", "util", "helper", "helpers", "manager", "data", "info", "result", "common", "misc"}
EXTRAS = {
    "training",
    "gui",
    "postgres",
    "industrial",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
    "pylon",
    "gige",
    "genicam",
    "dev",
    "all",
}


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def extras() -> dict[str, list[str]]:
    return pyproject()["project"]["optional-dependencies"]  # type: ignore[index, no-any-return]


# ---- arrows


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that lints a copy of the packages, with a line planted at the end of one module."""
    house = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", house)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns("__pycache__", "bundle"))
    environment = {**os.environ, "PYTHONPATH": str(house)}
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

    def lint(module: str = "", line: str = "") -> subprocess.CompletedProcess[str]:
        planted = house / module if module else None
        before = planted.read_text() if planted else ""
        if planted:
            planted.write_text(f"{before}\n{line}\n")
        try:
            words = [sys.executable, "-c", script, "--no-cache"]
            return subprocess.run(words, cwd=house, env=environment, capture_output=True, text=True, check=False)
        finally:
            if planted:
                planted.write_text(before)

    return lint


def test_every_contract_holds(linted: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    told = linted()
    assert told.returncode == 0, told.stdout
    assert ", 0 broken" in told.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("inspector/verdict.py", "import torch", "inspector knows no torch"),
        ("inspector/bundle.py", "import sqlalchemy", "inspector knows no torch"),
        ("inspector/risk.py", "from http import client", "inspector knows no torch"),
        ("inspector/model.py", "import db.images", "arrows point down"),
        ("station/line.py", "import PySide6", "the station loads no torch and no Qt"),
        ("station/vision.py", "def later():\n    import torch", "the station loads no torch and no Qt"),
        ("db/ledger.py", "import torch", "the station loads no torch and no Qt"),
        ("station/screen.py", "import gui", "arrows point down"),
        ("gui/__init__.py", "import training", "arrows point down"),
        ("training/splits.py", "import station.config", "arrows point down"),
        ("db/ledger.py", "import station", "arrows point down"),
        ("training/network.py", "from PySide6 import QtCore", "training knows no Qt"),
        ("gui/__init__.py", "import torch", "the desktop and the database know no torch"),
        ("db/engine.py", "import timm", "the desktop and the database know no torch"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    linted: Callable[..., subprocess.CompletedProcess[str]], module: str, line: str, contract: str
) -> None:
    told = linted(module, line)
    assert told.returncode != 0
    assert re.search(rf"^{contract}.* BROKEN$", told.stdout, re.MULTILINE), told.stdout


# ---- size and words


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_named_by_a_noun_of_the_trade(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500
    words = set(re.split(r"[_.]", path.stem))
    assert not words & FORBIDDEN_WORDS
    assert path.stem not in sys.stdlib_module_names - {"__future__"} or path.parent.name not in PACKAGES


def broad_handlers(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that catch anything whatever and do not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and ast.unparse(node.body[-1]) != "raise":
            caught = ast.unparse(node.type) if node.type else "BaseException"
            if re.search(r"\b(Base)?Exception\b", caught):
                yield node.lineno


def test_nothing_is_caught_that_was_not_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in MODULES for line in broad_handlers(ast.parse(path.read_text()))
    ]
    assert found == []


def test_no_package_marker_below_tests_shadows_a_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


# ---- what installs


def test_every_extra_that_was_promised_is_there() -> None:
    assert set(extras()) >= EXTRAS


def test_all_holds_every_extra_that_the_package_index_alone_can_install() -> None:
    (everything,) = extras()["all"]
    named = re.fullmatch(r"open-inspector\[(.+)\]", everything)
    assert named is not None
    needs_more = {"tensorrt", "gige"}  # another index; headers of the system
    assert set(named[1].split(",")) == set(extras()) - {"all", *needs_more}


def test_the_edge_install_needs_no_torch_no_qt_and_no_plotting() -> None:
    base = " ".join(pyproject()["project"]["dependencies"])  # type: ignore[index, arg-type]
    assert not re.search(r"torch|lightning|timm|pyside|pyqt|matplotlib|opencv-python(?!-headless)", base, re.IGNORECASE)


def test_every_dependency_has_its_reason_written_down() -> None:
    decisions = (ROOT / "docs" / "decisions.md").read_text().lower()
    named = [*pyproject()["project"]["dependencies"], *(each for extra in extras().values() for each in extra)]  # type: ignore[index, misc]
    for requirement in named:
        name = re.split(r"[\[<>=]", str(requirement))[0]
        assert name == "open-inspector" or f"`{name}`" in decisions, f"docs/decisions.md does not say why {name}"


# ---- what a running station loads

LOADED = "import sys, {modules}; print(*sorted(name.partition('.')[0] for name in sys.modules))"


def loaded_by(modules: str) -> set[str]:
    words = [sys.executable, "-c", LOADED.format(modules=modules)]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_the_line_process_imports_neither_torch_nor_qt_nor_a_runtime() -> None:
    loaded = loaded_by("station.run_command, station.line, station.supervisor, station.running, inspector.cli")
    assert "station" in loaded
    assert not loaded & {"torch", "torchvision", "lightning", "pytorch_lightning", "timm", "onnx", "PySide6", "PyQt6"}
    assert not loaded & {"onnxruntime", "matplotlib", "training", "gui"}


def test_the_vision_process_loads_no_database() -> None:
    loaded = loaded_by("station.vision")
    assert "onnxruntime" not in loaded, "only with the bundle"
    assert not loaded & {"sqlalchemy", "alembic", "asyncio"}, "25 MB for nothing"


CONFIG = """
[station]
name = "house"
folder = "{folder}"
bundle = "{bundle}"

[camera]
kind = "folder"
path = "{pictures}"
pace_hz = 20
loops = 1000
"""


@pytest.fixture
def station(bundle_path: Path, picture_folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A station that runs as its user would start it, and has given its first verdict."""
    config = tmp_path / "station.toml"
    config.write_text(CONFIG.format(folder=tmp_path / "station", bundle=bundle_path, pictures=picture_folder))
    words = [sys.executable, "-m", "inspector.cli", "station", "run", str(config), "--verbose"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any(" part 1 " in line for line in process.stderr)
            yield process
        finally:
            process.kill()


def libraries(pid: int) -> str:
    """Return the files mapped into a process: the shared libraries that it has loaded, whoever asked for them."""
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_of_a_running_station_only_the_vision_process_has_a_runtime_and_none_has_torch_or_qt(
    station: subprocess.Popen[str],
) -> None:
    (vision,) = [child for child in psutil.Process(station.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert "onnxruntime" in libraries(vision.pid)
    assert "onnxruntime" not in libraries(station.pid)
    for pid in (vision.pid, station.pid):
        assert not re.search(r"libtorch|libQt\d|PySide6|libcudart", libraries(pid))
    station.send_signal(signal.SIGTERM)
    assert station.wait(timeout=20) == 0
    assert not vision.is_running()
