"""`inspector gui` with nothing to open: the demo's line comes to life, and ends with the window."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gui.database import open_source
from gui.demo_line import demo_line, is_wanted
from inspector.errors import UserError


def health(address: str) -> dict[str, object]:
    caller = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    caller.request("GET", "/health")
    told: dict[str, object] = json.loads(caller.getresponse().read())
    caller.close()
    return told


def test_newcomer_gets_a_running_line_and_a_second_window_takes_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo_line(folder) as address:
        assert health(address)["station"] == "demo"
        with demo_line(folder) as second:
            assert second == address
        assert health(address)["station"] == "demo"
        source = open_source(str(folder / "ledger.sqlite"))
        source.engine.dispose()
    with pytest.raises(OSError, match="refused"):
        health(address)


def test_line_that_cannot_start_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"did not start: .*file.*--database"), demo_line(tmp_path / "file" / "demo"):
        pass


def test_line_is_started_only_where_nothing_else_is_to_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECTOR_DATABASE", raising=False)
    assert is_wanted(None)
    assert not is_wanted("plant.sqlite")
    monkeypatch.setenv("INSPECTOR_DATABASE", "sqlite:///other.sqlite")
    assert not is_wanted(None)
    monkeypatch.delenv("INSPECTOR_DATABASE")
    Path("inspector.sqlite").write_text("")
    assert not is_wanted(None)
