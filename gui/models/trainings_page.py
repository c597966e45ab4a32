"""The page of trainings: those on record with how far they are, and what a further one would learn from."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QProgressBar,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from db.jobs import JobStatus
from db.material.previewing import Preview
from gui.lists import fill_choice, fill_list
from gui.models.desk import Retraining
from gui.models.shelf import Shelf
from gui.models.texts import state_word
from gui.models.training_texts import aside_text, job_line, job_text, message_text, preview_rows, preview_text
from gui.models.trainings import TrainingsController
from gui.naming import short
from gui.pieces import button, choice, field, notice, plate, text
from gui.whatif.number import NumberField
from gui.words import tr

TASKS = ("classify", "anomaly", "detect", "segment")
_COLUMNS = 6


class TrainingsPage(QWidget):
    """Shows a `TrainingsController`."""

    def __init__(self, controller: TrainingsController) -> None:
        super().__init__()
        self.controller = controller
        self.notice = notice()
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Trainings"))
        self.progress = QProgressBar()
        self.progress.setAccessibleName(tr("Progress"))
        self.log = text("", "", wraps=True)
        self.log.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.recipe, self.task, self.parent_bundle = (
            choice(tr("Recipe")),
            choice(tr("Task")),
            choice(tr("Held against")),
        )
        for task in TASKS:
            self.task.addItem(task, task)
        self.minutes = NumberField(tr("Minutes (0: no limit)"), (0.0, 10_000.0), 0, 30.0)
        self.seed = NumberField(tr("Seed"), (0.0, 2.0**31), 0)
        self.again = button(tr("Look again"), self._look)
        self.told = text("", "", wraps=True)
        self.table = QGridLayout()
        self.aside = text("", "quiet", wraps=True)
        self.reason = field(tr("Reason (needed)"))
        self.queue = button(tr("Start the training"), self._queue, look="primary")
        self.cancel = button(tr("Cancel the chosen training"), controller.cancel)
        self._shown: Preview | None = None
        self._lay_out()
        self.list.currentRowChanged.connect(self._chosen)
        self.recipe.activated.connect(lambda _: self._look())
        self.reason.textEdited.connect(controller.say)

    def show_choices(self, shelf: Shelf) -> None:
        """Offer what a new bundle can be held against; at first the one that serves."""
        lines = [(one.bundle_id, f"{short(one.bundle_id)}  ·  {state_word(one.state)}") for one in shelf.bundles]
        serving = next((one.bundle_id for one in shelf.bundles if one.serves_at), None)
        now = self.parent_bundle.currentData() if self.parent_bundle.count() else serving
        fill_choice(self.parent_bundle, [(None, tr("no bundle: the first of its kind")), *lines], now)

    def show_trainings(self) -> None:
        controller = self.controller
        words = message_text(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        fill_list(self.list, [(one.job.job_id, job_line(one)) for one in controller.jobs], controller.chosen)
        self._show_job(controller.job)
        fill_choice(self.recipe, [(name, name) for name in controller.recipes], controller.previewing)
        self._show_preview()
        if self.reason.text() != controller.reason:
            self.reason.setText(controller.reason)
        ready = bool(controller.reason.strip()) and not controller.busy
        self.queue.setEnabled(ready and controller.may_train and controller.preview is not None)
        self.cancel.setEnabled(ready and controller.may_cancel)

    def _show_job(self, job: JobStatus | None) -> None:
        self.progress.setValue(0 if job is None else round(100 * job.progress))
        if job is None:
            self.log.setText(tr("No training was ever wanted here."))
        else:
            self.log.setText(job_text(job, self.controller.log.get(job.job.job_id, ())))

    def _show_preview(self) -> None:
        controller, preview = self.controller, self.controller.preview
        if controller.preview_error:
            self.told.setText(controller.preview_error)
        elif preview is None:
            self.told.setText(
                tr("Reading ...") if controller.previewing else tr("No recipe has run on this database yet.")
            )
        else:
            self.told.setText(preview_text(preview))
        if preview is not self._shown:
            self._shown = preview
            self._fill_table(() if preview is None else preview_rows(preview))
        self.aside.setText("" if preview is None else aside_text(preview))

    def _fill_table(self, rows: tuple[tuple[str, ...], ...]) -> None:
        while (item := self.table.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        heads = ("", tr("train"), tr("val"), tr("test"), tr("groups in test"), tr("enough?"))
        for number, row in enumerate((heads, *rows) if rows else ()):
            for place, words in enumerate(row):
                label = text(words, "quiet" if number == 0 else "", wraps=place == _COLUMNS - 1)
                label.setAlignment(
                    Qt.AlignmentFlag.AlignRight if 0 < place < _COLUMNS - 1 else Qt.AlignmentFlag.AlignLeft
                )
                self.table.addWidget(label, number, place)
        self.table.setColumnStretch(_COLUMNS - 1, 1)

    def _chosen(self, row: int) -> None:
        item = self.list.item(row)
        if item is not None:
            self.controller.choose(item.data(Qt.ItemDataRole.UserRole))

    def _look(self) -> None:
        if self.recipe.currentData() is not None:
            self.controller.look(self.recipe.currentData())

    def _queue(self) -> None:
        minutes = self.minutes.value or None
        wanted = Retraining(
            recipe=self.controller.previewing,
            task=self.task.currentData(),
            parent=self.parent_bundle.currentData(),
            minutes=minutes,
            seed=int(self.seed.value),
            reason=self.controller.reason,
        )
        self.controller.queue(wanted)

    # ---- making

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(8)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        left.addWidget(self.list, 2)
        left.addWidget(self.progress)
        left.addWidget(_scrolled(self.log, tr("Log of the training")), 3)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addLayout(left, 5)
        row.addWidget(self._panel(), 6)

    def _panel(self) -> QWidget:
        panel = plate("card")
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addWidget(text(tr("A FURTHER TRAINING WOULD LEARN FROM"), "heading"))
        head = QHBoxLayout()
        head.addWidget(self.recipe, 1)
        head.addWidget(self.again)
        column.addLayout(head)
        column.addWidget(self.told)
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(0, 0, 6, 0)
        self.table.setHorizontalSpacing(14)
        rows.addLayout(self.table)
        rows.addWidget(self.aside)
        rows.addStretch()
        column.addWidget(_scrolled(inside, tr("Parts by class and split")), 1)
        column.addLayout(self._form())
        column.addWidget(self.notice)
        column.addWidget(self.reason)
        ways = QHBoxLayout()
        ways.addWidget(self.queue, 1)
        ways.addWidget(self.cancel)
        column.addLayout(ways)
        return panel

    def _form(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(8)
        for place, made in enumerate((self.task, self.parent_bundle, self.minutes, self.seed)):
            row, column = divmod(place, 2)
            grid.addWidget(text(made.accessibleName(), "quiet"), row, 2 * column)
            side = Qt.AlignmentFlag.AlignLeft if isinstance(made, NumberField) else Qt.AlignmentFlag(0)
            grid.addWidget(made, row, 2 * column + 1, side)
        grid.setColumnStretch(1, 2)
        grid.setColumnStretch(3, 3)
        return grid


def _scrolled(inside: QWidget, words: str) -> QScrollArea:
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setAccessibleName(words)
    scroll.setWidget(inside)
    return scroll
