"""Colours, languages and the command: what a person who cannot see a colour or reads German gets."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtWidgets import QLabel, QPushButton

from gui.database import Source
from gui.palette import MARKS, THEMES, Theme, contrast
from gui.shell import Shell
from gui.translations.update import CONTEXT, FOLDER, LANGUAGES, compile_to, texts, translations, write
from gui.words import Language, tr
from inspector.cli import main
from inspector.values import Outcome


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_text_and_marks_stand_out(theme: Theme) -> None:
    for surface in (theme.window, theme.surface, theme.raised):
        assert contrast(theme.text, surface) >= 7
        assert contrast(theme.quiet, surface) >= 4.5
        for outcome in Outcome:
            assert contrast(theme.outcome(outcome), surface) >= 3
    assert contrast(theme.on_accent, theme.accent) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_outcome_has_a_shape_of_its_own() -> None:
    assert len({MARKS[outcome] for outcome in Outcome}) == len(Outcome)
    for theme, (one, other) in itertools.product(THEMES.values(), itertools.combinations(Outcome, 2)):
        assert theme.outcome(one) != theme.outcome(other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_its_names_and_compiled(language: str, tmp_path: Path) -> None:
    known = translations(FOLDER / f"{language}.ts")
    assert sorted(set(texts()) ^ set(known)) == [], "run python -m gui.translations.update"
    for text, translated in known.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", translated)), text
        assert text.count("&") == translated.count("&"), text
    write(tmp_path / "same.ts", language, known)
    assert (tmp_path / "same.ts").read_text() == (FOLDER / f"{language}.ts").read_text()
    translator = QTranslator()
    assert translator.load(str(FOLDER / f"{language}.qm"))
    assert {text: translator.translate(CONTEXT, text) for text in known} == known, "compile it again"


def test_a_text_that_is_new_is_asked_for_and_one_that_is_known_is_kept(tmp_path: Path) -> None:
    known = translations(FOLDER / "de.ts")
    forgotten = known.pop("Accept")
    write(tmp_path / "de.ts", "de", known)
    assert translations(tmp_path / "de.ts") == known
    compile_to(tmp_path / "de.ts", tmp_path / "de.qm")
    translator = QTranslator()
    assert translator.load(str(tmp_path / "de.qm"))
    assert translator.translate(CONTEXT, "Accept") != forgotten
    assert translator.translate(CONTEXT, "Skip") == known["Skip"]


def test_the_window_speaks_german_and_english_again(source: Source, qapp: Any, qtbot: Any) -> None:
    language = Language(qapp)
    try:
        language.speak("de")
        window = Shell(source, "a test", "de")
        qtbot.addWidget(window)
        shown = {widget.text() for kind in (QLabel, QPushButton) for widget in window.findChildren(kind)}
        assert {"Zustimmen   A", "Umkehren   X", "Pinsel   B", "TAKT", "niemand angemeldet"} <= shown
        assert not shown & {"Accept   A", "Sign in", "Skip   S"}
        window.close()
    finally:
        language.speak("en")
    assert tr("Accept") == "Accept"


def test_help_costs_no_qt() -> None:
    words = "import sys; from inspector.cli import main; main(['gui', '--help'])"
    code = f"import sys\ntry:\n    {words}\nexcept SystemExit:\n    print('PySide6' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.endswith("False\n")
    assert "--database URL" in told


def test_no_database_and_no_display_are_one_line_each(
    plant: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECTOR_DATABASE", raising=False)
    for name in {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"} & set(os.environ):
        monkeypatch.delenv(name)
    plant.path.rename(tmp_path / "press.sqlite")
    cases = {
        ("gui",): "no display here",
        ("gui", "--database", "press.sqlite"): "no display here",
        ("gui", "--station", "press-4"): "expected an address such as",
        ("gui", "--token-file", "none"): "--token-file none: cannot be read",
    }
    for words, said in cases.items():
        assert main(words) == 2
        assert said in capsys.readouterr().err
