"""The page of bundles: a list, the papers of one, what became of it, and what can be made of it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QScrollArea,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from db.bundle_states import BundleState
from db.orders import OrderKind
from gui.lists import fill_choice, fill_list
from gui.models.bundles import BundlesController
from gui.models.texts import (
    about_text,
    bundle_line,
    hint_text,
    message_text,
    orders_text,
    papers_text,
    places_text,
    shadow_text,
    state_word,
    states_text,
)
from gui.naming import short
from gui.pieces import button, choice, field, notice, plate, text
from gui.second import Second
from gui.words import tr

_DIALECT = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML


class CardView(QTextBrowser):
    """Markdown of a bundle. It opens no link and reads no file: whoever made the bundle wrote it."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.setAccessibleName(tr("Card and certificate"))
        self._shown = ""

    def show_markdown(self, words: str) -> None:
        if words != self._shown:
            self._shown = words
            self.document().setMarkdown(words, _DIALECT)

    def loadResource(self, _kind: int, _name: QUrl | str) -> object:  # noqa: N802 - Qt's name
        return None


class BundlesPage(QWidget):
    """Shows a `BundlesController`."""

    def __init__(self, controller: BundlesController) -> None:
        super().__init__()
        self.controller = controller
        self.notice, self.hint = notice(), text("", "quiet", wraps=True)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Bundles"))
        self.title, self.about = text("", "big"), text("", "quiet", wraps=True)
        self.card = CardView()
        self.places, self.states = text("", "", wraps=True), text("", "", wraps=True)
        self.shadow, self.orders = text("", "", wraps=True), text("", "", wraps=True)
        self.station = choice(tr("Station"))
        self.reason = field(tr("Reason (needed)"))
        self.second, self.password = field(tr("Second person")), field(tr("Their password"))
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.gives = self._gives()
        self.order_ways = self._order_ways()
        self._lay_out()
        self.list.currentRowChanged.connect(self._chosen)
        self.station.activated.connect(lambda _: controller.at(self.station.currentData()))
        self.reason.textEdited.connect(controller.say)

    def forget(self) -> None:
        """What a second person typed goes when the screen does."""
        self.second.clear()
        self.password.clear()

    def show_bundles(self) -> None:
        controller, shelf = self.controller, self.controller.shelf
        words = message_text(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self.hint.setText(hint_text(controller))
        if shelf is not None:
            lines = [(bundle.bundle_id, bundle_line(bundle)) for bundle in shelf.bundles]
            fill_list(self.list, lines, controller.chosen)
            fill_choice(self.station, [(place.station, place.station) for place in shelf.places], controller.station)
            self.places.setText(places_text(shelf.places))
        self.orders.setText(orders_text(controller.place))
        self._show_bundle()
        self._show_ways()

    def _show_bundle(self) -> None:
        controller, bundle = self.controller, self.controller.bundle
        if bundle is None:
            empty = tr("There is no bundle in this database yet.") if controller.shelf is not None else ""
            self.title.setText(empty)
            return
        self.title.setText(f"{short(bundle.bundle_id)}  ·  {state_word(bundle.state)}")
        self.title.setToolTip(bundle.bundle_id)
        self.about.setText(about_text(bundle))
        self.states.setText(states_text(bundle))
        self.shadow.setText(shadow_text(controller.shadowed))
        if controller.papers is not None:
            self.card.show_markdown(papers_text(controller.papers))
        elif controller.papers_error:
            self.card.show_markdown(tr("The bundle cannot be shown: {error}", error=controller.papers_error))
        else:
            self.card.show_markdown(tr("Reading ..."))

    def _show_ways(self) -> None:
        controller = self.controller
        if self.reason.text() != controller.reason:
            self.reason.setText(controller.reason)
        ready = bool(controller.reason.strip()) and not controller.busy
        for state, made in self.gives.items():
            made.setEnabled(ready and controller.may_give(state))
        for kind, made in self.order_ways.items():
            made.setEnabled(ready and controller.may_order(kind))
        for asked in (self.second, self.password):
            asked.setVisible(controller.needs_second)

    def _chosen(self, row: int) -> None:
        item = self.list.item(row)
        if item is not None:
            self.controller.choose(item.data(Qt.ItemDataRole.UserRole))

    def _decide(self, state: BundleState) -> None:
        name, password = self.second.text().strip(), self.password.text()
        self.password.clear()
        self.controller.decide(state, Second(name, password) if name else None)

    # ---- making

    def _gives(self) -> dict[BundleState, QPushButton]:
        words = {
            BundleState.APPROVED: tr("Approve"),
            BundleState.REFUSED: tr("Refuse"),
            BundleState.RETIRED: tr("Retire"),
            BundleState.CANDIDATE: tr("Propose"),
        }
        return {state: button(word, partial(self._decide, state)) for state, word in words.items()}

    def _order_ways(self) -> dict[OrderKind, QPushButton]:
        words = {
            OrderKind.SHADOW: tr("Into the shadow"),
            OrderKind.BUNDLE: tr("Let it serve"),
            OrderKind.ROLLBACK: tr("Roll back"),
        }
        return {kind: button(word, partial(self.controller.order, kind)) for kind, word in words.items()}

    def _lay_out(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(6)
        for widget in (self.title, self.about, self.notice):
            middle.addWidget(widget)
        middle.addWidget(self.card, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        self.list.setFixedWidth(284)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        row.addWidget(self.list)
        row.addLayout(middle, 1)
        row.addWidget(self._panel())

    def _panel(self) -> QWidget:
        panel = plate("card")
        panel.setFixedWidth(352)
        column = QVBoxLayout(panel)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(self._told(), 1)
        column.addWidget(self.hint)
        column.addWidget(self.station)
        column.addWidget(self.reason)
        others = QHBoxLayout()
        others.addWidget(self.second)
        others.addWidget(self.password)
        column.addLayout(others)
        grid = QGridLayout()
        grid.setSpacing(6)
        for place, made in enumerate((*self.gives.values(), *self.order_ways.values())):
            grid.addWidget(made, *divmod(place, 2))
        column.addLayout(grid)
        return panel

    def _told(self) -> QWidget:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(4)
        headed = (
            (tr("WHAT SERVES WHERE"), self.places),
            (tr("WHAT BECAME OF IT"), self.states),
            (tr("IN THE SHADOW"), self.shadow),
            (tr("ORDERS"), self.orders),
        )
        for heading, label in headed:
            column.addWidget(text(heading, "heading"))
            column.addWidget(label)
            column.addSpacing(6)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setAccessibleName(tr("What is known of it"))
        scroll.setWidget(inside)
        return scroll
