"""`inspector station order|orders` on a station that is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.bundle import load_bundle
from inspector.cli import main
from station.config import load_station_config

Told = Callable[..., tuple[int, str, str]]

TOML = """
[station]
name = "press"
folder = "box"
bundle = "{bundle}"
recipe = "flange.toml"
[camera]
kind = "folder"
path = "."
[[recipe]]
file = "bracket.toml"
"""


@pytest.fixture
def file(tmp_path: Path, bundle_path: Path) -> Path:
    for name in ("flange", "bracket"):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n')
    (tmp_path / "box").mkdir()
    (tmp_path / "station.toml").write_text(TOML.format(bundle=bundle_path))
    return tmp_path / "station.toml"


@pytest.fixture
def told(file: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    def tell(verb: str, *words: str) -> tuple[int, str, str]:
        status = main(["station", verb, str(file), *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return tell


def test_orders_wait_for_the_station_and_are_listed_with_who_and_why(told: Told, bundle_path: Path) -> None:
    folder = bundle_path.parent
    status, out, _ = told("order", "bundle", str(folder), "--reason", "less overkill", "--by", "ann")
    assert (status, out) == (0, f"order 1: bundle {load_bundle(folder).path} is wanted of press\n")
    assert told("order", "recipe", "bracket", "--reason", "lot 7", "--by", "ben")[0] == 0
    _, out, _ = told("orders")
    first, second = out.splitlines()
    assert first.endswith("ann: less overkill")
    assert "WANTED   recipe bracket; ben: lot 7" in second


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("bundle", "nowhere"), "nowhere: no such bundle"),
        (("recipe", "bolt"), "recipe 'bolt': not in the configuration; expected one of flange, bracket"),
        (("recipe", "flange@ffff"), "recipe 'flange': revision ffff is wanted"),
        (("hold", "--by", "a" * 65), "at most 64 letters"),
    ],
)
def test_order_that_nobody_could_follow_is_one_line_and_is_not_written(
    told: Told, words: tuple[str, ...], expected: str
) -> None:
    status, _, err = told("order", *words, "--reason", "why")
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err
    assert told("orders")[1] == ""


def test_station_that_never_ran_takes_no_orders(file: Path, told: Told) -> None:
    (file.parent / "box").rmdir()
    assert "expected a station that has run" in told("order", "hold", "--reason", "why")[2]


def test_two_recipes_of_one_name_are_refused(file: Path, told: Told) -> None:
    (file.parent / "bracket.toml").write_text('name = "flange"\nprecision = "float"\n')
    assert "'flange' is the name of two" in told("orders")[2]


def test_revision_of_a_recipe_may_be_named_by_its_beginning(file: Path, told: Told) -> None:
    revision = load_station_config(file).recipes["bracket"].recipe.revision()
    assert told("order", "recipe", f"bracket@{revision[:8]}", "--reason", "lot 7")[0] == 0
