"""The review screen: keys first, the mouse for drawing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from db.accounts import Permission
from db.sessions import Session
from gui.canvas import Canvas
from gui.found import seen_in
from gui.limits import Limits
from gui.palette import Theme
from gui.picture import Pyramid
from gui.pieces import notice, text
from gui.review.comparison import Comparison
from gui.review.controller import ReviewController
from gui.review.desk import DatabaseDesk, PartInHand
from gui.review.panel import Panel
from gui.review.texts import message_text, part_text
from gui.review.tools import TOOL_KEYS, ToneBar, ToolBar
from gui.screen import Screen
from gui.words import tr
from gui.worker import LABELS, PICTURES, Worker
from inspector.errors import InspectorError
from inspector.values import Finding

LOOK_AGAIN_MS = 10_000
KEEP_MS = 60_000
PICTURES_KEPT = 4


class ReviewScreen(Screen):
    """Shows a `ReviewController`. `refused` tells errors that concern the window, such as a session that is over."""

    refused = Signal(object)

    def __init__(self, desk: DatabaseDesk, worker: Worker, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._desk, self._pictures = desk, worker.lane(PICTURES)
        self._read: OrderedDict[str, Pyramid] = OrderedDict()
        self._shown: PartInHand | None = None
        self.controller = ReviewController(desk, worker.lane(LABELS), self._show, self.refused.emit)
        self.title = text(tr("Review"), "title")
        self.count = text("", "quiet")
        self.part = text("", "quiet")
        self.notice = notice()
        self.canvas = Canvas(theme)
        self.tools, self.tones = ToolBar(self.canvas), ToneBar(self.canvas)
        self.comparison = Comparison(desk.golden, self._pictures, self.canvas, theme)
        self.panel = Panel(theme, self.controller)
        self._timers = [self._timer(LOOK_AGAIN_MS, self.controller.refresh), self._timer(KEEP_MS, self.controller.keep)]
        self._lay_out()
        self._connect()

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.controller.begin(session)

    def end(self) -> None:
        self.controller.end()

    def enter(self) -> None:
        for timer in self._timers:
            timer.start()
        self.canvas.setFocus()
        self.controller.refresh()

    def leave(self) -> None:
        for timer in self._timers:
            timer.stop()

    def set_theme(self, theme: Theme) -> None:
        self.canvas.set_theme(theme)
        self.comparison.set_theme(theme)
        self.panel.set_theme(theme)

    # ---- showing

    def _show(self) -> None:
        controller = self.controller
        words = message_text(controller.words)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        waiting = len(controller.queue)
        self.count.setText(
            tr("{waiting} waiting  ·  {labelled} labelled by you", waiting=waiting, labelled=controller.labelled)
        )
        session = controller.session
        may = session is not None and session.account.may(Permission.LABEL)
        self.panel.show_controller(_limits(controller.part), may)
        self.canvas.show_shapes(controller.draft.sketch.shapes)
        if controller.part is not self._shown:
            self._show_part(controller.part)

    def _show_part(self, part: PartInHand | None) -> None:
        self._shown = part
        self.comparison.show_part(None if part is None else part.record.bundle_id)
        self.part.setText("" if part is None else part_text(part))
        self.tones.reset()
        if part is None:
            empty = not self.controller.busy
            self.canvas.show_findings(())
            self.canvas.show_picture(
                None, tr("Nothing waits for you. New parts appear here by themselves.") if empty else ""
            )
            return
        self.canvas.show_findings(*_seen(part))
        sha256 = part.record.image_sha256
        if sha256 is None:
            self.canvas.show_picture(None, tr("No picture of this part was kept."))
            return
        if sha256 in self._read:
            self._picture_read(sha256, self._read[sha256])
            return
        self.canvas.show_picture(None, tr("Reading the picture ..."))
        self._pictures(
            "picture", lambda: self._desk.picture(sha256), lambda read: self._picture_read(sha256, read), self._missing
        )

    def _picture_read(self, sha256: str, picture: Pyramid) -> None:
        self._read[sha256] = picture
        self._read.move_to_end(sha256)
        while len(self._read) > PICTURES_KEPT:
            self._read.popitem(last=False)
        if self._shown is not None and self._shown.record.image_sha256 == sha256:
            self.canvas.show_picture(picture)
            self.comparison.show_picture(picture)
            self.controller.shown(picture.width_px, picture.height_px)

    def _missing(self, error: InspectorError) -> None:
        advice = tr("The picture cannot be shown: {error}\nSkip this part (S), or ask for the station's image folder.")
        self.canvas.show_picture(None, advice.format(error=error))

    # ---- making

    def _timer(self, period_ms: int, action: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(period_ms)
        timer.timeout.connect(action)
        return timer

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addSpacing(12)
        head.addWidget(self.count, 0, Qt.AlignmentFlag.AlignBottom)
        head.addStretch()
        head.addWidget(self.part, 0, Qt.AlignmentFlag.AlignBottom)
        left = QVBoxLayout()
        left.setSpacing(10)
        left.addWidget(self.tools)
        left.addWidget(self.comparison, 1)
        over = QVBoxLayout(self.canvas)  # over the picture, so that nothing moves when something is said
        over.addWidget(self.notice)
        over.addStretch()
        below = QHBoxLayout()
        below.addWidget(self.tones, 1)
        below.addWidget(self.comparison.way)
        left.addLayout(below)
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addLayout(left, 1)
        body.addWidget(self.panel)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(12)
        column.addLayout(head)
        column.addLayout(body, 1)

    def _connect(self) -> None:
        controller, canvas = self.controller, self.canvas
        canvas.drawn.connect(controller.draw)
        self.tools.undo.connect(controller.undo_drawing)
        self.tools.redo.connect(controller.redo_drawing)
        self.tools.clear.connect(controller.clear_drawing)
        self.panel.noted.connect(canvas.setFocus)
        keys: dict[str, Callable[[], object]] = {
            "A": controller.accept,
            "Return": controller.accept,
            "X": controller.overrule,
            "G": controller.choose_good,
            "0": controller.choose_good,
            "N": self.panel.note.setFocus,
            "S": controller.skip,
            "U": controller.undo_label,
            "Ctrl+Z": controller.undo_drawing,
            "Ctrl+Y": controller.redo_drawing,
            "Ctrl+Shift+Z": controller.redo_drawing,
            "F": canvas.fit,
            "Z": canvas.actual_size,
            "+": lambda: canvas.zoom(1.25),
            "-": lambda: canvas.zoom(0.8),
            "H": self.tones.overlay.click,
            "M": self.tones.heat.click,
            "C": self.comparison.way.click,
            "[": lambda: self._resize_brush(0.8),
            "]": lambda: self._resize_brush(1.25),
        }
        keys |= {str(number): lambda number=number: controller.choose_defect(number) for number in range(1, 10)}  # type: ignore[misc]
        keys |= {key: lambda tool=tool: self.tools.choose(tool) for tool, key in TOOL_KEYS.items()}  # type: ignore[misc]
        for key, action in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(key in "+-[]")
            shortcut.activated.connect(lambda action=action: action())

    def _resize_brush(self, factor: float) -> None:
        self.canvas.brush_px = min(max(self.canvas.brush_px * factor, 1.0), 500.0)


def _limits(part: PartInHand | None) -> Limits | None:
    return None if part is None else part.limits


def _seen(part: PartInHand) -> tuple[tuple[Finding, ...], bytes | None]:
    """What the network found in the view whose picture is shown, and where; of a blind part nothing."""
    return ((), None) if part.queued.blind else seen_in(part.record)
