"""The column beside the picture: what the machine said, what it could be, the note, the last label."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from gui.badges import OutcomeBadge
from gui.gauge import Gauge
from gui.limits import Limits
from gui.palette import Theme
from gui.pieces import button, field, text, toggle
from gui.review.controller import ReviewController
from gui.review.desk import PartInHand
from gui.review.texts import need_text, reasons_text, said_text, verdict_text
from gui.words import tr


class VerdictBox(QWidget):
    """What the machine said; of a blind part nothing."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.need = text("", "quiet", wraps=True)
        self.badge, self.gauge = OutcomeBadge(theme), Gauge(theme)
        self.said = text("", "big", wraps=True)
        self.why = text("", "quiet", wraps=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        for widget in (self.need, self.badge, self.gauge, self.said, self.why):
            column.addWidget(widget)

    def show_part(self, part: PartInHand, limits: Limits | None) -> None:
        self.need.setText(need_text(part.queued))
        blind = part.queued.blind
        if blind:
            self.badge.show_outcome(None, tr("Blind"))
            self.said.setText(tr("What do you see?"))
            self.why.setText(tr("What the machine said is shown after your answer."))
        else:
            self.badge.show_outcome(part.record.outcome)
            self.gauge.show_probability(part.record.defect_probability, limits)
            self.said.setText(verdict_text(part))
            self.why.setText(reasons_text(part))
        self.gauge.setVisible(not blind)
        self.why.setVisible(bool(self.why.text()))


class ClassBox(QWidget):
    """A button for good and for each class of defect, with its key."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._labels: tuple[str, ...] = ()
        self.buttons: dict[str, QPushButton] = {}

    def show_part(self, part: PartInHand) -> None:
        """Mark what the machine said, unless the part is blind."""
        labels = (part.good, *part.defects)
        if labels != self._labels:
            self._rebuild(labels)
        for label, choice in self.buttons.items():
            choice.setChecked(label == part.verdict_label and not part.queued.blind)

    def _rebuild(self, labels: tuple[str, ...]) -> None:
        for old in self.buttons.values():
            self._column.removeWidget(old)
            old.deleteLater()
        self._labels, self.buttons = labels, {}
        for number, label in enumerate(labels):
            key = "G" if number == 0 else str(number) if number < 10 else ""
            made = toggle(label, partial(self.chosen.emit, label), look="choice")
            made.setText(f"{key:<2}  {label}")
            self._column.addWidget(made)
            self.buttons[label] = made


class Panel(QWidget):
    """The whole column. It shows a controller, and tells it what was pressed."""

    noted = Signal()

    def __init__(self, theme: Theme, controller: ReviewController) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(320)
        self._controller = controller
        self.verdict, self.classes = VerdictBox(theme), ClassBox()
        self.accept = button(tr("Accept"), controller.accept, key="A", look="primary")
        self.overrule = button(tr("Overrule"), controller.overrule, key="X")
        self.note = field(tr("Note (N)"))
        self.skip = button(tr("Skip"), controller.skip, key="S")
        self.undo = button(tr("Undo label"), controller.undo_label, key="U")
        self.last = text("", "quiet", wraps=True)
        self._lay_out()
        self.classes.chosen.connect(controller.choose)
        self.note.textEdited.connect(controller.note)
        self.note.returnPressed.connect(self.noted)

    def show_controller(self, limits: Limits | None, may_label: bool) -> None:
        controller, part = self._controller, self._controller.part
        for widget in (self.verdict, self.classes, self.accept, self.overrule, self.note, self.skip):
            widget.setVisible(part is not None)
        ready = part is not None and not controller.busy and may_label
        if part is not None:
            self.verdict.show_part(part, limits)
            self.classes.show_part(part)
            if self.note.text() != controller.draft.note:
                self.note.setText(controller.draft.note)
        for widget in (self.classes, self.skip):
            widget.setEnabled(ready)
        told = ready and part is not None and not part.queued.blind and part.verdict_label is not None
        self.accept.setEnabled(told)
        self.overrule.setEnabled(told)
        self.undo.setEnabled(controller.last is not None and not controller.busy and not controller.correcting)
        self.last.setText("" if controller.last is None else tr("Last label: {said}", said=said_text(controller.last)))

    def set_theme(self, theme: Theme) -> None:
        self.verdict.badge.set_theme(theme)
        self.verdict.gauge.set_theme(theme)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(10)
        column.addWidget(self.verdict)
        column.addLayout(_row(self.accept, self.overrule))
        scrolled = QScrollArea()
        scrolled.setWidgetResizable(True)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        held = QWidget()
        inside = QVBoxLayout(held)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.classes)
        inside.addStretch()
        scrolled.setWidget(held)
        column.addWidget(scrolled, 1)
        column.addWidget(self.note)
        column.addLayout(_row(self.skip, self.undo))
        column.addWidget(self.last)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
