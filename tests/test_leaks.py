"""The guard against leaks is itself under test: it must fail the test that leaks, and no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

THREAD = """
import threading
def test_leaks():
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()
def test_clean():
    pass
"""
PROCESS = """
import multiprocessing, time
def test_leaks():
    multiprocessing.get_context("spawn").Process(target=time.sleep, args=(8,), daemon=True).start()
"""
COMMAND = """
import subprocess
kept = []
def test_leaks():
    kept.append(subprocess.Popen(["sleep", "8"]))
"""
CLEAN = """
import subprocess, threading
def test_clean():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    subprocess.run(["true"], check=True)
"""


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (THREAD, ("2 passed, 1 error", "forgotten")),
        (PROCESS, ("1 passed, 1 error", "psutil.Process")),
        (COMMAND, ("1 passed, 1 error", "sleep")),
        (CLEAN, ("1 passed", "1 passed")),
    ],
    ids=["a thread", "a process of multiprocessing", "a command", "nothing"],
)
def test_a_test_fails_for_what_it_leaves_behind(tmp_path: Path, test: str, said: tuple[str, str]) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_it.py").write_text(test)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    told = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False).stdout
    for words_told in said:
        assert words_told in told
