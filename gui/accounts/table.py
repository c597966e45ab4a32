"""A table to look at and to choose a row of."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

WIDEST_PX = 220
"""Of a column; what is longer is shown as a tip, and whole beside the table."""
Rows = Sequence[tuple[str, ...]]


class Table(QTableWidget):
    """Shows rows of words; Tab leaves it, arrows choose."""

    def __init__(self, words: str, headings: tuple[str, ...], stretched: int) -> None:
        super().__init__(0, len(headings))
        self._rows: tuple[tuple[str, ...], ...] = ()
        self.setAccessibleName(words)
        self.setHorizontalHeaderLabels(list(headings))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.verticalHeader().setVisible(False)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._stretched = stretched
        header.setSectionResizeMode(stretched, QHeaderView.ResizeMode.Stretch)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_rows(self, rows: Rows) -> None:
        """Show these; rows that were there stay, so that what is chosen stays while further ones come."""
        wanted = tuple(rows)
        if wanted == self._rows:
            return
        kept = len(self._rows) if wanted[: len(self._rows)] == self._rows else 0
        self._rows = wanted
        self.setRowCount(len(wanted))
        for number in range(kept, len(wanted)):
            for column, words in enumerate(wanted[number]):
                item = QTableWidgetItem(words)
                item.setToolTip(words)
                self.setItem(number, column, item)
        if not kept:
            self._fit()

    def _fit(self) -> None:
        for column in range(self.columnCount()):
            if column != self._stretched:
                self.resizeColumnToContents(column)
                self.setColumnWidth(column, min(self.columnWidth(column), WIDEST_PX))
