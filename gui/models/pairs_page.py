"""The page of a comparison: what two bundles said of the same parts, and the parts behind each count."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from db.history.pairing import Basis, Pair, PairedPart, Pairing, is_flip
from gui.badges import outcome_word
from gui.figures.parts import PartsPage, Read
from gui.figures.tiles import between, percent
from gui.lists import fill_choice
from gui.models.pairs import PairsController
from gui.models.shelf import Shelf
from gui.models.texts import state_word
from gui.naming import day_and_time, short
from gui.palette import Theme
from gui.pieces import button, choice, notice, plate, text
from gui.words import tr
from inspector.values import Outcome

PAIRS: tuple[Pair, ...] = tuple((first, second) for first in Outcome for second in Outcome)


class PairsPage(QWidget):
    """Shows a `PairsController`. `asked` brings the two bundles and the basis that a person chose."""

    asked = Signal(object, object, object)

    def __init__(self, controller: PairsController, theme: Theme, read: Read) -> None:
        super().__init__()
        self.controller = controller
        self.notice, self.said = notice(), text("", "", wraps=True)
        self.first, self.second = choice(tr("First bundle")), choice(tr("Second bundle"))
        self.basis = choice(tr("Which parts"))
        self.basis.addItem(tr("parts of one's shadow"), Basis.SHADOW)
        self.basis.addItem(tr("parts of one serial number"), Basis.SERIAL)
        self.cells = {pair: self._cell(pair) for pair in PAIRS}
        self.flips = button(tr("All flips"), partial(controller.open, None), look="primary")
        self.parts = PartsPage(theme, read, tr("Back to the counts"), pair_line)
        self._pages = QStackedWidget()
        self._lay_out()
        self._connect()

    def set_theme(self, theme: Theme) -> None:
        self.parts.set_theme(theme)

    def show_choices(self, shelf: Shelf) -> None:
        """Offer the bundles; at first the one that serves, and the newest other one."""
        lines = [(one.bundle_id, f"{short(one.bundle_id)}  ·  {state_word(one.state)}") for one in shelf.bundles]
        serving = [one.bundle_id for one in shelf.bundles if one.serves_at] or [key for key, _ in lines]
        others = [key for key, _ in lines if key not in serving[:1]]
        is_new = self.first.count() == 0 and bool(lines)
        fill_choice(self.first, lines, self.first.currentData() or next(iter(serving), None))
        fill_choice(self.second, lines, self.second.currentData() or next(iter(others), None))
        if is_new:
            self._ask()

    def show_pairs(self) -> None:
        controller = self.controller
        self.notice.setText(controller.error)
        self.notice.setVisible(bool(controller.error))
        counted = controller.counted
        self.said.setText(pairing_text(controller))
        self.flips.setEnabled(counted is not None and counted.flips > 0)
        for pair, made in self.cells.items():
            count = 0 if counted is None else counted.cells.get(pair, 0)
            made.setText("-" if counted is None else f"{count:,}")
            made.setEnabled(count > 0)
            made.setAccessibleName(pair_text(pair, count))
        if controller.is_open:
            self.parts.show_parts(self._opened_text(), controller.parts, controller.record)
        self._pages.setCurrentIndex(1 if controller.is_open else 0)

    def _opened_text(self) -> str:
        wanted, counted = self.controller.opened, self.controller.counted
        if wanted is None:
            return tr("Parts that one bundle passes and the other stops")
        return pair_text(wanted, 0 if counted is None else counted.cells.get(wanted, 0))

    def _ask(self) -> None:
        self.asked.emit(self.first.currentData(), self.second.currentData(), Basis(self.basis.currentData()))

    # ---- making

    def _cell(self, pair: Pair) -> QPushButton:
        made = button("-", partial(self.controller.open, pair), look="flip" if is_flip(pair) else "count")
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        return made

    def _connect(self) -> None:
        for made in (self.first, self.second, self.basis):
            made.activated.connect(lambda _: self._ask())
        self.parts.closed.connect(self.controller.close)
        self.parts.looked.connect(self.controller.look)
        canvas = self.parts.canvas
        keys = {
            "Esc": self.controller.close,
            "F": canvas.fit,
            "Z": canvas.actual_size,
            "H": self.parts.tones.overlay.click,
        }
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _lay_out(self) -> None:
        counts = QWidget()
        column = QVBoxLayout(counts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        chosen = QHBoxLayout()
        for made in (self.first, self.second, self.basis):
            chosen.addWidget(text(made.accessibleName(), "quiet"))
            chosen.addWidget(made, 1)
        column.addLayout(chosen)
        column.addWidget(self.notice)
        column.addWidget(self._grid(), 1)
        column.addWidget(self.said)
        column.addWidget(self.flips, 0, Qt.AlignmentFlag.AlignLeft)
        self._pages.addWidget(counts)
        self._pages.addWidget(self.parts)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._pages)

    def _grid(self) -> QWidget:
        card = plate("card")
        grid = QGridLayout(card)
        grid.setContentsMargins(16, 14, 16, 16)
        grid.setSpacing(8)
        grid.addWidget(text(tr("FIRST BUNDLE, DOWN; SECOND BUNDLE, ACROSS"), "heading"), 0, 0, 1, 5)
        for place, outcome in enumerate(Outcome, start=1):
            across = text(outcome_word(outcome), "quiet")
            across.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(across, 1, place)
            grid.addWidget(text(outcome_word(outcome), "quiet"), place + 1, 0)
        for (first, second), made in self.cells.items():
            grid.addWidget(made, list(Outcome).index(first) + 2, list(Outcome).index(second) + 1)
        for place in range(1, 5):
            grid.setColumnStretch(place, 1)
            grid.setRowStretch(place + 1, 1)
        return card


def pair_text(pair: Pair, count: int) -> str:
    first, second = outcome_word(pair[0]), outcome_word(pair[1])
    return tr("First bundle {first}, second bundle {second}: {count}", first=first, second=second, count=count)


def pair_line(part: PairedPart) -> str:
    """A part in the list, with what each bundle said of it."""
    named = tr("Part {number}", number=part.trigger)
    first = f"{outcome_word(part.first)}{_chance(part.first_probability)}"
    second = f"{outcome_word(part.second)}{_chance(part.second_probability)}"
    return f"{day_and_time(part.at)}  ·  {part.station}  ·  {named}\n{first}  \N{RIGHTWARDS ARROW}  {second}"


def pairing_text(controller: PairsController) -> str:
    counted = controller.counted
    if controller.compared is None:
        return tr("Choose two bundles.")
    if counted is None:
        return tr("Counting ...") if controller.busy else ""
    if counted.same is None:
        return _nothing(controller.compared.basis)
    return _counted_text(counted)


def _counted_text(counted: Pairing) -> str:
    same = counted.same
    if same is None:
        return ""
    said = tr(
        "{count} of {n} parts have the same outcome: {share}", count=same.count, n=same.n, share=percent(same.value)
    )
    flips = tr("Flips, where one passes the part and the other stops it: {count}", count=counted.flips)
    words = f"{said}; {between(same)}.\n{flips}."
    return f"{words}\n{tr('Rendered parts, since there are no others.')}" if counted.simulated else words


def _nothing(basis: Basis) -> str:
    if basis is Basis.SHADOW:
        return tr("Neither was in the other's shadow: no part was judged by both at once.")
    return tr("No part of one serial number was judged by both.")


def _chance(probability: float | None) -> str:
    return "" if probability is None else f" {percent(probability)}"
