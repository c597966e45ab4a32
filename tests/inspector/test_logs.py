"""Logs: a JSON object a line, whatever the message holds; a level or format that is none is refused."""

from __future__ import annotations

import json
import logging
import os
import sys
from uuid import UUID

import pytest

from inspector.cli import main
from inspector.errors import UserError
from inspector.logs import JsonLines, Lines, WithPriority, configure, is_structured
from inspector.values import Outcome


def record(message: str, *words: object, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    return logging.getLogger("station.journal").makeRecord(
        "station.journal", level, "f.py", 1, message, words, None, extra=extra
    )


def test_a_line_holds_the_message_and_the_fields_that_were_given() -> None:
    part_id = UUID(int=7)
    text = JsonLines().format(
        record("part %d", 3, part_id=part_id, camera=None, outcome=Outcome.REJECT, reasons=("a",))
    )
    line = json.loads(text)
    assert (line["message"], line["level"], line["logger"]) == ("part 3", "WARNING", "station.journal")
    assert (line["part_id"], line["outcome"], line["reasons"]) == (str(part_id), "REJECT", ["a"])
    assert "camera" not in line
    assert line["at"].endswith("+00:00")


@pytest.mark.parametrize("message", ["two\nlines", 'a "quote"', "\x00\x1b[31m", "gerät", "\ud800"])
def test_no_message_makes_two_lines_or_none(message: str) -> None:
    text = JsonLines().format(record("%s", message))
    assert "\n" not in text
    assert json.loads(text)["message"] == message


def test_an_error_brings_its_traceback_in_the_same_line() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        told = record("failed")
        told.exc_info = sys.exc_info()
    text = JsonLines().format(told)
    assert "\n" not in text
    assert "ValueError: why" in json.loads(text)["traceback"]


def test_the_journal_gets_the_priority_of_every_line() -> None:
    assert WithPriority(Lines()).format(record("a\nb")) == "<4>WARNING a\n<4>b"
    assert WithPriority(JsonLines()).format(record("a", level=logging.ERROR)).startswith('<3>{"at"')


def test_what_is_no_level_or_format_is_refused() -> None:
    with pytest.raises(UserError, match="INSPECTOR_LOG=LOUD: expected one of DEBUG, INFO"):
        configure({"INSPECTOR_LOG": "loud"})
    with pytest.raises(UserError, match="INSPECTOR_LOG_FORMAT=xml: expected one of text, json"):
        is_structured({"INSPECTOR_LOG_FORMAT": "xml"})


def test_a_wrong_level_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "INSPECTOR_LOG", "loud")
    assert main(["station", "check", "none.toml"]) == 2
    assert capsys.readouterr().err.startswith("inspector: INSPECTOR_LOG=LOUD")
