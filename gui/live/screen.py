"""The live screen: a station's newest part large, its last parts in a row, its figures beside."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from db.records import utc_now
from gui.badges import OutcomeBadge, outcome_word
from gui.canvas import Canvas
from gui.database import Source, reading
from gui.found import seen_in
from gui.gauge import Gauge
from gui.live.controller import LiveController
from gui.live.figures import StationFigures, all_figures
from gui.live.preview import LARGE_PX, Preview, read_preview
from gui.live.stream import Heard, StationStream
from gui.live.strip import Strip
from gui.live.texts import direct_text, run_text, stale_text, state_text, stream_text, yield_text
from gui.palette import Theme
from gui.picture import Pyramid, pyramid
from gui.pieces import notice, plate, text, toggle
from gui.review.queue import NEWEST
from gui.screen import Screen
from gui.words import tr
from gui.worker import LIVE, PICTURES, PREVIEW, Worker
from inspector.errors import InspectorError
from inspector.preprocess import decode_image
from inspector.values import InspectionRecord, Outcome

PERIOD_MS = 1000
PREVIEW_MS = 25
"""Shows 30 pictures a second, where a station judges as many: asked somewhat more often, so that none is missed."""
HEARD_MS = 100
"""However many parts a station tells of in that time, they are shown at once."""
SMALL_PX = 640
SMALL_ENOUGH = 1.25
"""So much may a small picture be magnified before a large one is asked for."""
DEVICES_SHOWN = 4
_UNSEEN = ("", "")
"""Address and sequence of no picture."""


class DatabaseLive:
    """A `LiveDesk` on a database, and the pictures of its parts."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def figures(self) -> tuple[StationFigures, ...]:
        with reading(self._source.engine) as connection:
            return all_figures(connection, utc_now())

    def picture(self, sha256: str) -> Pyramid:
        return pyramid(decode_image(self._source.pictures.read(sha256), sha256))


class LiveScreen(Screen):
    """Shows a `LiveController`. Streams run while somebody is signed in."""

    _heard = Signal(object)

    def __init__(
        self, desk: DatabaseLive, worker: Worker, theme: Theme, stations: tuple[tuple[str, str | None], ...]
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._desk, self._pictures, self._addresses = desk, worker.lane(PICTURES), stations
        self._preview, self._asking = worker.lane(PREVIEW), False
        self._seen = _UNSEEN
        self._streams: list[StationStream] = []
        self._pictured: str | None = None
        self.controller = LiveController(desk, worker.lane(LIVE), self._show)
        self.canvas, self.strip = Canvas(theme), Strip(theme)
        self.badge, self.gauge = OutcomeBadge(theme), Gauge(theme)
        self.title, self.run = text(tr("Live"), "title"), text("", "quiet")
        self.notice = notice()
        self.caption, self.said = text("", "quiet"), text("", "big", wraps=True)
        self.why = text("", "quiet", wraps=True)
        self.values = {name: text("-", "figure") for name in ("rate", "yield", "waiting")}
        self.yield_bound = text("", "quiet", wraps=True)
        self.health = text("", "quiet", wraps=True)
        self.ways = QHBoxLayout()
        self._group = QButtonGroup(self)
        self._names: tuple[str, ...] = ()
        self._timer = QTimer(self)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self.controller.poll)
        self._preview_timer = QTimer(self)
        self._preview_timer.setInterval(PREVIEW_MS)
        self._preview_timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._preview_timer.timeout.connect(self._ask_preview)
        self._told: dict[str, Heard] = {}
        self._hear_timer = QTimer(self)
        self._hear_timer.setInterval(HEARD_MS)
        self._hear_timer.setSingleShot(True)
        self._hear_timer.timeout.connect(self._hear)
        self.overlay = toggle(tr("Findings"), lambda: self.canvas.set_findings_shown(self.overlay.isChecked()), key="H")
        self.overlay.setChecked(True)
        self.heat = toggle(tr("Heat map"), lambda: self.canvas.set_heat_shown(self.heat.isChecked()), key="M")
        self.direct = toggle(tr("Live picture"), self._forget_picture, key="L")
        self.direct.setChecked(bool(stations))
        self.direct.setVisible(bool(stations))
        self._heard.connect(self._note, Qt.ConnectionType.QueuedConnection)
        self._lay_out()
        keys = {"H": self.overlay.click, "M": self.heat.click, "L": self.direct.click, "F": self.canvas.fit}
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    # ---- what the window calls

    def enter(self) -> None:
        self.leave()
        self._streams = [StationStream(address, self._heard.emit, token) for address, token in self._addresses]
        for stream in self._streams:
            stream.start()
        self._timer.start()
        if self._addresses:
            self._preview_timer.start()
        self.canvas.setFocus()
        self.controller.poll()

    def leave(self) -> None:
        for timer in (self._timer, self._preview_timer, self._hear_timer):
            timer.stop()
        for stream in self._streams:
            stream.stop()
        self._streams = []

    def set_theme(self, theme: Theme) -> None:
        for widget in (self.canvas, self.strip, self.badge, self.gauge):
            widget.set_theme(theme)

    # ---- hearing

    def _note(self, heard: Heard) -> None:
        self._told[heard.address] = heard
        if not self._hear_timer.isActive() and self._streams:
            self._hear_timer.start()

    def _hear(self) -> None:
        told, self._told = self._told, {}
        for heard in told.values():
            self.controller.hear(heard)

    # ---- showing

    def _show(self) -> None:
        controller, station = self.controller, self.controller.station
        words = stale_text(controller.stale_since, controller.error)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self._show_ways()
        if station is None:
            self.canvas.show_picture(None, tr("No station has run on this database yet."))
            return
        heard = controller.stream
        self.run.setText(f"{station.station}  ·  {station.recipe}  ·  {run_text(station)}")
        self._show_latest(station, heard)
        self._show_figures(station, heard)
        if not self._is_direct():
            self._show_picture(station.pictured)

    def _show_latest(self, station: StationFigures, heard: Heard | None) -> None:
        latest, strip = station.latest, [(glance.trigger, glance.outcome) for glance in station.strip]
        trigger, outcome, probability, label, reasons = _of_record(latest)
        if heard is not None and heard.connected and heard.parts:
            last = heard.parts[-1]
            trigger, outcome, probability = last.trigger, last.outcome, last.defect_probability
            label, reasons = last.label, last.reasons
            strip = [(part.trigger, part.outcome) for part in heard.parts]
        self.strip.show_parts(strip)
        self.badge.show_outcome(outcome)
        self.gauge.show_probability(probability, station.limits)
        named = tr("Part {number}", number=trigger) if trigger else tr("No part yet")
        self.said.setText(f"{named}  ·  {label}" if label else named)
        self.why.setText("; ".join(reasons))

    def _show_figures(self, station: StationFigures, heard: Heard | None) -> None:
        live = heard is not None and heard.connected and heard.rate_hz is not None
        rate = heard.rate_hz if live and heard is not None and heard.rate_hz is not None else station.rate_hz
        share, bound = yield_text(station.passed)
        self.values["rate"].setText(tr("{rate} / min", rate=f"{60 * rate:.0f}"))
        self.values["yield"].setText(share)
        self.values["waiting"].setText(f"{station.waiting}+" if station.waiting >= NEWEST else str(station.waiting))
        self.yield_bound.setText(bound)
        self.health.setText(_health_text(station, heard))

    def _show_picture(self, record: InspectionRecord | None) -> None:
        sha256 = None if record is None else record.image_sha256
        if record is None or sha256 is None:
            self.caption.setText("")
            self.canvas.show_picture(None, tr("No picture of this run was kept yet."))
            self._pictured = None
            return
        if sha256 == self._pictured:
            return
        self._pictured = sha256
        self._pictures(
            "live picture",
            lambda: self._desk.picture(sha256),
            lambda read: self._picture_read(record, read),
            self._missing,
        )

    def _picture_read(self, record: InspectionRecord, picture: Pyramid) -> None:
        words = tr("Newest kept picture: part {number}", number=record.trigger)
        self.caption.setText(f"{words}  ·  {outcome_word(record.outcome)}")
        self.canvas.show_picture(picture)
        self.canvas.show_findings(*seen_in(record))

    def _is_direct(self) -> bool:
        heard = self.controller.stream
        return self.direct.isChecked() and heard is not None and heard.connected

    def _forget_picture(self) -> None:
        """The other kind of picture is to be shown: whatever is there is not it."""
        self._pictured, self._seen = None, _UNSEEN
        self._show()

    def _ask_preview(self) -> None:
        heard = self.controller.stream
        if self._asking or heard is None or not self._is_direct():
            return
        self._asking = True
        token = dict(self._addresses).get(heard.address)
        address, longest_px = heard.address, self._wanted_px()
        after = self._seen[1] if self._seen[0] == address else ""
        self._preview(
            "preview",
            lambda: read_preview(address, token, longest_px, after),
            lambda preview: self._previewed(address, preview),
            self._no_preview,
        )

    def _wanted_px(self) -> int:
        ratio = self.canvas.devicePixelRatioF()
        longest = max(self.canvas.width(), self.canvas.height()) * ratio
        return SMALL_PX if longest <= SMALL_ENOUGH * SMALL_PX else LARGE_PX

    def _previewed(self, address: str, preview: Preview) -> None:
        self._asking = False
        heard = self.controller.stream
        if heard is None or heard.address != address or not self._is_direct():
            return
        if preview.picture is not None:
            self._pictured, self._seen = None, (address, preview.sequence)
            self.canvas.show_findings(())
            self.canvas.show_picture(preview.picture, stay=True)
        self.caption.setText(direct_text(preview.camera, preview.age_s))

    def _no_preview(self, error: InspectorError) -> None:
        self._asking, self._seen = False, _UNSEEN
        if self._is_direct():
            self.caption.setText(tr("No live picture: {error}", error=error))

    def _missing(self, error: InspectorError) -> None:
        self.caption.setText("")
        self.canvas.show_findings(())
        self.canvas.show_picture(None, tr("The picture cannot be shown: {error}", error=error))

    def _show_ways(self) -> None:
        """A button for each station, where there are several."""
        names = tuple(each.station for each in self.controller.stations)
        if names != self._names:
            self._names = names
            while (item := self.ways.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.deleteLater()
            for name in names if len(names) > 1 else ():
                way = toggle(name, partial(self.controller.choose, name))
                self._group.addButton(way)
                self.ways.addWidget(way)
        for button in self._group.buttons():
            button.setChecked(button.text() == self.controller.chosen)

    # ---- making

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addSpacing(12)
        head.addWidget(self.run, 0, Qt.AlignmentFlag.AlignBottom)
        head.addStretch()
        head.addLayout(self.ways)
        left = QVBoxLayout()
        left.setSpacing(8)
        below = QHBoxLayout()
        below.addWidget(self.caption)
        below.addStretch()
        below.addWidget(self.direct)
        below.addWidget(self.overlay)
        below.addWidget(self.heat)
        left.addWidget(self.canvas, 1)
        left.addLayout(below)
        left.addWidget(self.strip)
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addLayout(left, 1)
        body.addWidget(self._panel())
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(12)
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addLayout(body, 1)

    def _panel(self) -> QWidget:
        panel = plate("card")
        panel.setFixedWidth(320)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addWidget(text(tr("NEWEST PART"), "heading"))
        for widget in (self.badge, self.gauge, self.said, self.why):
            column.addWidget(widget)
        column.addSpacing(8)
        grid = QGridLayout()
        words = {"rate": tr("RATE"), "yield": tr("YIELD"), "waiting": tr("FOR REVIEW")}
        for place, (name, heading) in enumerate(words.items()):
            grid.addWidget(text(heading, "heading"), 0, place)
            grid.addWidget(self.values[name], 1, place)
        column.addLayout(grid)
        column.addWidget(self.yield_bound)
        column.addSpacing(8)
        column.addWidget(text(tr("HEALTH"), "heading"))
        column.addWidget(self.health)
        column.addStretch()
        return panel


def _of_record(
    record: InspectionRecord | None,
) -> tuple[int | None, Outcome | None, float | None, str | None, tuple[str, ...]]:
    if record is None:
        return None, None, None, None, ()
    return record.trigger, record.outcome, record.defect_probability, record.label, record.reasons


def _health_text(station: StationFigures, heard: Heard | None) -> str:
    """The station's own account first; else what the database tells: its run, and its newest trouble."""
    lines = [stream_text(heard)] if heard is not None else []
    if heard is not None and heard.connected:
        lines.append(tr("State: {state}", state=state_text(heard.state)))
        worst = [device for device in heard.devices if device.state != "good"]
        lines += [f"{device.name}: {state_text(device.state)}, {device.words}" for device in worst[:DEVICES_SHOWN]]
    else:
        lines.append(run_text(station))
        if station.trouble is None:
            lines.append(tr("no warning in this run"))
        else:
            at = f"{station.trouble.at.astimezone():%H:%M:%S}"
            lines.append(f"{at}  {station.trouble.kind}: {station.trouble.message}")
    return "\n".join(lines)
