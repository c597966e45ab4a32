"""The recipe screen: a frame to draw on, the form, the dry run, and saving with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from db.sessions import Session
from gui.canvas import Canvas, Tool
from gui.palette import Theme
from gui.picture import Pyramid
from gui.pieces import button, choice, field, notice, plate, text, toggle
from gui.recipes.controller import RecipesController
from gui.recipes.desk import DatabaseRecipes, KeptPicture
from gui.recipes.form import Form
from gui.recipes.texts import about_text, learned_text, message_text, trial_text
from gui.screen import Screen
from gui.whatif.number import NumberField
from gui.words import tr
from gui.worker import FIGURES, PICTURES, PREVIEW, Worker
from inspector.drawn import Box, Shape, Stroke
from inspector.errors import InspectorError

_TOOLS = {Tool.PAN: "V", Tool.BOX: "R", Tool.LINE: "L"}


class RecipesScreen(Screen):
    """Shows a `RecipesController`. `refused` tells that a session is over."""

    refused = Signal(object)

    def __init__(self, desk: DatabaseRecipes, worker: Worker, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._desk, self._pictures, self._preview = desk, worker.lane(PICTURES), worker.lane(PREVIEW)
        self._size: tuple[int, int] | None = None
        self._asked: object = None
        self._listed: tuple[KeptPicture, ...] = ()
        self._length_px = 0.0
        self._line: Stroke | None = None
        self.controller = RecipesController(desk, worker.lane(FIGURES), self._show, self.refused.emit)
        self.about, self.notice = text("", "quiet"), notice()
        self.recipe, self.picture = choice(tr("Recipe")), choice(tr("Picture to draw on"))
        self.canvas = Canvas(theme)
        self.canvas.brush_px = 1.0
        self.tools = self._make_tools()
        self.known = NumberField(tr("Known length, mm"), (0.0, 1e5), 3)
        self.length = text("", "quiet")
        self.scale = button(tr("Use as scale"), self._measure)
        self.form = Form(self.controller.type)
        self.learn = button(tr("Learn from passed frames"), self._learn)
        self.learned = text("", "quiet", wraps=True)
        self.dry_run = button(tr("Dry run"), self.controller.try_out, key="F6")
        self.trial = text("", "quiet", wraps=True)
        self.reason = field(tr("Reason for the change"))
        self.save = button(tr("Save as a revision"), self.controller.save, look="primary")
        self.discard = button(tr("Discard changes"), self.controller.discard)
        self.again = button(tr("Refresh"), self._refresh, key="F5")
        self._lay_out()
        self._connect()

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.controller.begin(session)

    def end(self) -> None:
        self._line, self._length_px = None, 0.0
        self.controller.end()

    def enter(self) -> None:
        self.form.section.setFocus()
        self.controller.refresh()

    def set_theme(self, theme: Theme) -> None:
        self.canvas.set_theme(theme)

    # ---- showing

    def _show(self) -> None:
        controller, opened = self.controller, self.controller.opened
        words = message_text(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self.about.setText(about_text(controller))
        self.form.show_controller(controller)
        self._show_drawn()
        self.learned.setText("" if controller.learned is None else learned_text(controller.learned))
        self.learned.setVisible(controller.learned is not None)
        self.trial.setText(trial_text(controller))
        if self.reason.text() != controller.draft.reason:
            self.reason.setText(controller.draft.reason)
        ready = opened is not None and controller.edited and controller.may_save
        # What waits for an answer asks no second time, and stays where Tab finds it.
        self.learn.setEnabled(opened is not None and controller.may_save)
        self.dry_run.setEnabled(controller.written.recipe is not None)
        self.reason.setEnabled(ready)
        self.discard.setEnabled(ready)
        self.save.setEnabled(ready and not controller.busy and controller.written.recipe is not None)
        if opened is not None:
            _fill(self.recipe, opened.names, opened.name)
            self._list(opened.pictures)

    def _show_drawn(self) -> None:
        region = self.controller.region()
        shapes: list[Shape] = [] if region is None else [region]
        self.canvas.show_shapes(shapes if self._line is None else [*shapes, self._line])
        drawn = tr("{length} px drawn", length=f"{self._length_px:.1f}")
        self.length.setText(drawn if self._line is not None else tr("Draw a known length (L)"))
        ready = self._line is not None and self.known.value > 0
        self.scale.setEnabled(ready and self.controller.may_save)

    def _list(self, pictures: tuple[KeptPicture, ...]) -> None:
        """The frames to draw on; the one that is shown stays."""
        if pictures == self._listed and self._asked is not None:
            return
        self._listed, shown = pictures, self.picture.currentData()
        self.picture.clear()
        for kept in pictures:
            self.picture.addItem(tr("part {number}, {camera}", number=kept.trigger, camera=kept.camera), kept.sha256)
        for number, (address, _) in enumerate(self._desk.stations):
            self.picture.addItem(tr("now: {address}", address=address), number)
        self.picture.setCurrentIndex(max(0, self.picture.findData(shown)))
        self._read_picture()

    def _read_picture(self) -> None:
        asked = self._asked = self.picture.currentData()
        if asked is None:
            self.canvas.show_picture(None, tr("No frame of this recipe was kept. Numbers can still be typed."))
            return
        size, desk = self._size, self._desk
        if isinstance(asked, str):
            self._pictures("frame", lambda: desk.picture(asked), partial(self._picture_read, asked), self._missing)
        else:
            self._preview("frame", lambda: desk.preview(asked, size), partial(self._picture_read, asked), self._missing)

    def _picture_read(self, asked: object, picture: Pyramid) -> None:
        if asked == self._asked:
            self._size = (picture.width_px, picture.height_px)
            self.canvas.show_picture(picture, stay=True)

    def _missing(self, error: InspectorError) -> None:
        self.canvas.show_picture(None, tr("The picture cannot be shown: {error}\nChoose another one.", error=error))

    # ---- telling

    def _drawn(self, shape: Shape) -> None:
        if isinstance(shape, Box) and self._size is not None:
            self.form.show_section("roi")
            self.controller.draw_region(shape, self._size)
        elif isinstance(shape, Stroke):
            (x1, y1), (x2, y2) = shape.points[0], shape.points[-1]
            self._line, self._length_px = shape, math.hypot(x2 - x1, y2 - y1)
            self._show_drawn()

    def _measure(self) -> None:
        self.form.show_section("")
        self.controller.measure(self._length_px, self.known.value)

    def _learn(self) -> None:
        self.form.show_section("quality")
        self.controller.learn()

    def _refresh(self) -> None:
        self._asked = None
        self.controller.refresh()

    def _choose_tool(self, tool: Tool) -> None:
        self.canvas.set_tool(tool)
        self._group.button(list(_TOOLS).index(tool)).setChecked(True)

    # ---- making

    def _make_tools(self) -> QHBoxLayout:
        words = {Tool.PAN: tr("Move"), Tool.BOX: tr("Region"), Tool.LINE: tr("Length")}
        self._group = QButtonGroup(self)
        row = QHBoxLayout()
        for number, (tool, key) in enumerate(_TOOLS.items()):
            made = toggle(words[tool], partial(self._choose_tool, tool), key=key)
            self._group.addButton(made, number)
            row.addWidget(made)
        self._group.button(0).setChecked(True)
        row.addSpacing(16)
        row.addWidget(self.picture, 1)
        return row

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(text(tr("Recipes"), "title"))
        head.addSpacing(12)
        head.addWidget(self.about, 1, Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self.recipe)
        head.addWidget(self.again)
        self.recipe.setMinimumWidth(180)
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
        self.picture.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.picture.setMinimumContentsLength(14)
        column = QVBoxLayout()
        column.setSpacing(10)
        column.addLayout(self.tools)
        column.addWidget(self.canvas, 1)
        over = QVBoxLayout(self.canvas)  # over the picture, so that nothing moves when something is said
        over.addWidget(self.notice)
        over.addStretch()
        row = QHBoxLayout()
        row.addWidget(self.length)
        row.addStretch()
        row.addWidget(text(self.known.accessibleName(), "quiet"))
        row.addWidget(self.known)
        row.addWidget(self.scale)
        column.addLayout(row)
        return column

    def _panel(self) -> QWidget:
        panel = plate("card")
        panel.setFixedWidth(430)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addWidget(self.form, 1)
        row = QHBoxLayout()
        row.addWidget(self.learn, 1)
        row.addWidget(self.dry_run, 1)
        column.addLayout(row)
        for widget in (self.learned, self.trial, self.reason):
            column.addWidget(widget)
        last = QHBoxLayout()
        last.addWidget(self.save, 1)
        last.addWidget(self.discard)
        column.addLayout(last)
        return panel

    def _connect(self) -> None:
        self.canvas.drawn.connect(self._drawn)
        self.recipe.activated.connect(lambda: self.controller.choose(str(self.recipe.currentData())))
        self.picture.activated.connect(self._read_picture)
        self.known.changed.connect(lambda _: self._show_drawn())
        self.reason.textEdited.connect(self.controller.say)
        keys: dict[str, Callable[[], object]] = {
            "F5": self._refresh,
            "F6": self.controller.try_out,
            "F": self.canvas.fit,
            "Z": self.canvas.actual_size,
            "+": lambda: self.canvas.zoom(1.25),
            "-": lambda: self.canvas.zoom(0.8),
        }
        keys |= {key: partial(self._choose_tool, tool) for tool, key in _TOOLS.items()}
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(lambda act=act: act())


def _fill(made: QComboBox, names: tuple[str, ...], chosen: str) -> None:
    if [made.itemData(number) for number in range(made.count())] != list(names):
        made.clear()
        for name in names:
            made.addItem(name, name)
    made.setCurrentIndex(names.index(chosen) if chosen in names else -1)
