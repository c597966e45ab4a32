"""The what-if screen: limits over recorded parts, what they would do, and saving them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from db.sessions import Session
from gui.figures.filters import times
from gui.figures.tiles import unbroken
from gui.palette import Theme
from gui.pieces import button, choice, field, notice, plate, text
from gui.screen import Screen
from gui.second import Second
from gui.whatif.band import LimitsBand
from gui.whatif.controller import ASSUMED, WhatIfController
from gui.whatif.desk import Asked, WhatIfDesk
from gui.whatif.number import NumberField
from gui.whatif.texts import about_text, effects_text, headings, message_text, region_text
from gui.words import tr
from gui.worker import FIGURES, Worker
from inspector.cheapest import Costs

_ID_SHOWN = 8


class WhatIfScreen(Screen):
    """Shows a `WhatIfController`. `refused` tells that a session is over."""

    refused = Signal(object)

    def __init__(self, desk: WhatIfDesk, worker: Worker, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self.controller = WhatIfController(desk, worker.lane(FIGURES), self._show, self.refused.emit)
        self.about, self.notice = text("", "quiet"), notice()
        self.recipe, self.model, self.back = choice(tr("Recipe")), choice(tr("Model")), choice(tr("Time"))
        for word, back in times():
            self.back.addItem(word, back)
        self.back.setCurrentIndex(3)
        self.band = LimitsBand(theme)
        self.below = NumberField(tr("Pass below"), (0.0, 1.0), 4)
        self.above = NumberField(tr("Reject from"), (0.0, 1.0), 4)
        self.effects = [
            (text(words, "heading"), text("-", "figure"), text("", "quiet", wraps=True)) for words in headings()
        ]
        self.costs = {
            "escape": NumberField(tr("An escape costs"), (0.0, 1e6), 2, ASSUMED.escape),
            "overkill": NumberField(tr("A good part rejected costs"), (0.0, 1e6), 2, ASSUMED.overkill),
            "review": NumberField(tr("A look of a person costs"), (0.0, 1e6), 2, ASSUMED.review),
            "defect_share": NumberField(tr("Defective parts, %"), (0.01, 99.9), 2, 100 * ASSUMED.defect_share),
        }
        self.region = text("", "quiet", wraps=True)
        self.reason = field(tr("Reason for the change"))
        self.second, self.password = field(tr("Second person")), field(tr("Their password"))
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.save = button(tr("Save as a revision"), self._save, look="primary")
        self.again = button(tr("Refresh"), self.controller.refresh, key="F5")
        self.reset = button(tr("Limits in force"), self._reset)
        self._lay_out()
        self._connect()

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.controller.begin(session)

    def end(self) -> None:
        self.password.clear()
        self.second.clear()
        self.controller.end()

    def enter(self) -> None:
        self.band.setFocus()
        self.controller.refresh()

    def leave(self) -> None:
        self.password.clear()

    def set_theme(self, theme: Theme) -> None:
        self.band.set_theme(theme)

    # ---- showing

    def _show(self) -> None:
        controller = self.controller
        words = message_text(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self.about.setText(about_text(controller))
        self._show_subject()
        for labels, shown in zip(self.effects, effects_text(controller), strict=True):
            for label, said in zip(labels, shown, strict=True):
                label.setText(unbroken(said))
        self.region.setText(region_text(controller))
        if self.reason.text() != controller.reason:
            self.reason.setText(controller.reason)
        asks = controller.moved and controller.may_save and controller.needs_second
        self.second.setVisible(asks)
        self.password.setVisible(asks)
        ready = controller.moved and controller.may_save and not controller.busy
        self.reason.setEnabled(ready)
        self.save.setEnabled(ready)
        self.reset.setEnabled(controller.moved)

    def _show_subject(self) -> None:
        controller, subject = self.controller, self.controller.subject
        for made, value in ((self.below, controller.limits[0]), (self.above, controller.limits[1])):
            made.setEnabled(subject is not None)
            made.show_value(value)
        parts = None if subject is None else subject.parts
        self.band.show_limits(parts, controller.limits, None if subject is None else subject.certified)
        if subject is not None:
            _fill(self.recipe, subject.choices.recipes, subject.recipe)
            _fill(self.model, subject.choices.bundles, subject.bundle_id)

    # ---- telling

    def _asked(self) -> None:
        self.controller.ask(Asked(self.recipe.currentData(), self.model.currentData(), self.back.currentData()))

    def _other_recipe(self) -> None:
        """Another recipe may never have run on this bundle: its newest run says on which."""
        self.controller.ask(Asked(self.recipe.currentData(), None, self.back.currentData()))

    def _typed(self) -> None:
        self.controller.move((self.below.value, self.above.value))

    def _priced(self) -> None:
        values = {name: made.value for name, made in self.costs.items()}
        self.controller.price(Costs(**{**values, "defect_share": values["defect_share"] / 100}))

    def _reset(self) -> None:
        if self.controller.subject is not None:
            self.controller.move(self.controller.subject.limits)

    def _save(self) -> None:
        name, password = self.second.text().strip(), self.password.text()
        self.password.clear()
        self.controller.save(Second(name, password) if name else None)

    # ---- making

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(text(tr("What if"), "title"))
        head.addSpacing(12)
        head.addWidget(self.about, 1, Qt.AlignmentFlag.AlignBottom)
        head.addWidget(self.reset)
        head.addWidget(self.again)
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addLayout(self._left(), 1)
        body.addWidget(self._panel())
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(head)
        column.addLayout(body, 1)

    def _left(self) -> QVBoxLayout:
        chosen, limits = QHBoxLayout(), QHBoxLayout()
        for made in (self.recipe, self.model, self.back):
            made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            made.setMinimumContentsLength(10)
            chosen.addWidget(made, 1)
        for made_number in (self.below, self.above):
            limits.addWidget(text(made_number.accessibleName(), "quiet"))
            limits.addWidget(made_number)
            limits.addSpacing(16)
        limits.addStretch()
        column = QVBoxLayout()
        column.setSpacing(10)
        column.addLayout(chosen)
        column.addWidget(self.band, 1)
        over = QVBoxLayout(self.band)  # over the parts, so that nothing moves when something is said
        over.addWidget(self.notice)
        over.addStretch()
        column.addLayout(limits)
        return column

    def _panel(self) -> QWidget:
        panel = plate("card")
        panel.setFixedWidth(380)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(3)
        for labels in self.effects:
            for label in labels:
                column.addWidget(label)
            column.addSpacing(5)
        column.addLayout(self._prices())
        column.addStretch()
        column.addWidget(self.region)
        column.addSpacing(4)
        column.addWidget(self.reason)
        others = QHBoxLayout()
        others.addWidget(self.second)
        others.addWidget(self.password)
        column.addLayout(others)
        column.addWidget(self.save)
        return panel

    def _prices(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        for row, made in enumerate(self.costs.values()):
            grid.addWidget(text(made.accessibleName(), "quiet"), row, 0)
            grid.addWidget(made, row, 1)
        grid.setColumnStretch(0, 1)
        return grid

    def _connect(self) -> None:
        self.band.moved.connect(self.controller.move)
        self.recipe.activated.connect(self._other_recipe)
        for made in (self.model, self.back):
            made.activated.connect(self._asked)
        for limit in (self.below, self.above):
            limit.changed.connect(self._typed)
        for cost in self.costs.values():
            cost.changed.connect(self._priced)
        self.reason.textEdited.connect(self.controller.say)
        self.password.returnPressed.connect(self._save)
        keys: dict[str, Callable[[], object]] = {"F5": self.controller.refresh}
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)


def _fill(made: QComboBox, names: tuple[str, ...], chosen: str) -> None:
    wanted = list(names if chosen in names else (chosen, *names))
    if [made.itemData(number) for number in range(made.count())] != wanted:
        made.clear()
        for name in wanted:
            made.addItem(name if made.accessibleName() != tr("Model") else name[:_ID_SHOWN], name)
    made.setCurrentIndex(wanted.index(chosen))
