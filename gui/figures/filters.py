"""The row of choices above the charts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from db.history.choices import Choices
from db.history.over_time import Measure
from gui.figures.charts import measure_word
from gui.pieces import choice
from gui.words import tr

_ID_SHOWN = 8


def times() -> tuple[tuple[str, timedelta | None], ...]:
    """How far back, in words."""
    return (
        (tr("last 8 hours"), timedelta(hours=8)),
        (tr("last 24 hours"), timedelta(hours=24)),
        (tr("last 7 days"), timedelta(days=7)),
        (tr("last 30 days"), timedelta(days=30)),
        (tr("all time"), None),
    )


class Filters(QWidget):
    """Six lists. `chosen` is called with the name of the one that changed, and what it says now."""

    def __init__(self, chosen: Callable[[str, object], None]) -> None:
        super().__init__()
        words = {
            "back": tr("Time"),
            "station": tr("Station"),
            "recipe": tr("Recipe"),
            "lot": tr("Lot"),
            "bundle_id": tr("Model"),
            "label": tr("Class"),
            "measure": tr("Drift figure"),
        }
        self.lists = {name: choice(word) for name, word in words.items()}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for name, made in self.lists.items():
            made.setMinimumWidth(90)
            made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            made.setMinimumContentsLength(8)
            made.setToolTip(words[name])
            made.activated.connect(lambda _, name=name: chosen(name, self.lists[name].currentData()))
            row.addWidget(made, 1)
        for word, back in times():
            self.lists["back"].addItem(word, back)
        self.lists["back"].setCurrentIndex(2)
        for measure in Measure:
            self.lists["measure"].addItem(measure_word(measure), measure)
        self.show_choices(Choices())

    def show_choices(self, known: Choices) -> None:
        """Fill the lists anew; what is chosen stays, also where it is not on record any more."""
        every = {
            "station": (tr("all stations"), known.stations),
            "recipe": (tr("all recipes"), known.recipes),
            "lot": (tr("all lots"), known.lots),
            "bundle_id": (tr("all models"), known.bundles),
            "label": (tr("all classes"), known.labels),
        }
        for name, (word, names) in every.items():
            self._fill(self.lists[name], word, names, shortened=name == "bundle_id")

    def _fill(self, made: QComboBox, word: str, names: tuple[str, ...], *, shortened: bool) -> None:
        now = made.currentData()
        wanted = [None, *names] if now is None or now in names else [None, now, *names]
        if [made.itemData(n) for n in range(made.count())] == wanted:
            return
        made.clear()
        for name in wanted:
            shown = word if name is None else name[:_ID_SHOWN] if shortened else name
            made.addItem(shown, name)
        made.setCurrentIndex(wanted.index(now))
