"""What the screens say, in the language of the person: English in the code, others by Qt Linguist."""

from __future__ import annotations

from importlib.resources import files

from PySide6.QtCore import QCoreApplication, QLocale, QTranslator

LANGUAGES = {"en": "English", "de": "Deutsch"}
_CONTEXT = "desktop"


def tr(text: str, **values: object) -> str:
    """Return `text` in the language of the application, with `{names}` filled in."""
    told = QCoreApplication.translate(_CONTEXT, text)
    return told.format(**values) if values else told


def described(text: str) -> str:
    """Return a description of the recipe's schema, which `gui.translations.update` knows of, in that language."""
    return QCoreApplication.translate(_CONTEXT, text)


def system_language() -> str:
    language = QLocale.system().name()[:2]
    return language if language in LANGUAGES else "en"


class Language:
    """The translator that is installed, of one at a time."""

    def __init__(self, application: QCoreApplication) -> None:
        self._application = application
        self._translator: QTranslator | None = None
        self.code = "en"

    def speak(self, code: str) -> None:
        if self._translator is not None:
            self._application.removeTranslator(self._translator)
            self._translator = None
        if code != "en":
            translator = QTranslator(self._application)
            if translator.load(str(files("gui") / "translations" / f"{code}.qm")):
                self._application.installTranslator(translator)
                self._translator = translator
        self.code = code
