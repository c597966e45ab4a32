"""The look of every widget, made from a theme. Sizes are device-independent, so Qt scales them with the screen."""

from __future__ import annotations

from string import Template

from gui.palette import Theme

_SHEET = Template(
    """
* { font-family: "Inter", "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; font-size: 13px; color: $text; }
QMainWindow, QWidget#page, QStackedWidget { background: $window; }
QWidget#card { background: $surface; border: 1px solid $line; border-radius: 8px; }
QWidget#rail { background: $surface; border-right: 1px solid $line; }
QStackedWidget#inner { background: transparent; }
QLabel { background: transparent; }
QLabel#title { font-size: 20px; font-weight: 600; }
QLabel#heading { font-size: 11px; font-weight: 600; color: $quiet; }
QLabel#quiet { color: $quiet; }
QLabel#fault { color: $rejected; }
QLabel#big { font-size: 17px; font-weight: 600; }
QLabel#figure { font-size: 18px; font-weight: 600; }
QLabel#notice { background: $raised; border: 1px solid $review; border-left: 4px solid $review; border-radius: 6px;
    padding: 8px 12px; }
QPushButton { background: $raised; border: 1px solid $line; border-radius: 6px; padding: 7px 12px; }
QPushButton:hover { border-color: $accent; }
QPushButton:focus { border: 2px solid $accent; padding: 6px 11px; }
QPushButton:disabled { color: $quiet; background: $window; }
QPushButton:checked { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton#primary { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton#primary:focus { border: 2px solid $text; }
QPushButton#primary:disabled { background: $raised; color: $quiet; border-color: $line; }
QPushButton#choice { text-align: left; }
QPushButton#choice:checked { background: $raised; color: $text; border: 2px solid $accent; padding: 6px 11px; }
QPushButton#place { text-align: left; border: 2px solid transparent; background: transparent; padding: 9px 12px; }
QPushButton#place:hover { background: $raised; }
QPushButton#place:checked { background: $raised; color: $text; font-weight: 600; border-left: 3px solid $accent; }
QPushButton#place:focus { border: 2px solid $accent; }
QLineEdit, QPlainTextEdit, QComboBox { background: $raised; border: 1px solid $line; border-radius: 6px;
    padding: 7px 9px; selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus { border: 2px solid $accent; padding: 6px 8px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $line; selection-background-color: $accent;
    selection-color: $on_accent; }
QComboBox::drop-down { border: none; width: 26px; }
QComboBox::down-arrow { image: none; }
QListWidget, QTextBrowser { background: $surface; border: 1px solid $line; border-radius: 6px; }
QListWidget:focus, QTextBrowser:focus { border: 2px solid $accent; }
QProgressBar { background: $raised; border: 1px solid $line; border-radius: 6px; text-align: center; height: 20px; }
QProgressBar::chunk { background: $line; border-radius: 5px; }
QTextBrowser { font-size: 12px; padding: 4px; }
QPushButton#flip { border: 2px solid $review; padding: 6px 11px; }
QPushButton#flip:disabled { border: 1px solid $line; padding: 7px 12px; }
QPushButton#flip, QPushButton#count { font-size: 17px; }
QPushButton#flip:focus { border: 3px solid $accent; padding: 5px 10px; }
QListWidget::item { padding: 5px 8px; }
QListWidget::item:selected { background: $accent; color: $on_accent; }
QTableWidget { background: $surface; border: 1px solid $line; border-radius: 6px; gridline-color: $line;
    selection-background-color: $accent; selection-color: $on_accent; }
QTableWidget:focus { border: 2px solid $accent; }
QTableWidget::item { padding: 4px 8px; }
QTableWidget::item:selected { background: $accent; color: $on_accent; }
QHeaderView { background: $raised; }
QHeaderView::section { background: $raised; color: $quiet; border: none; border-bottom: 1px solid $line;
    padding: 6px 8px; font-weight: 600; }
QTableCornerButton::section { background: $raised; border: none; }
QSlider { min-height: 22px; }
QSlider::groove:horizontal { height: 4px; background: $line; border-radius: 2px; }
QSlider::handle:horizontal { background: $accent; width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; }
QSlider::handle:horizontal:focus { border: 2px solid $text; width: 12px; height: 12px; }
QToolTip { background: $surface; color: $text; border: 1px solid $line; padding: 4px; }
QMenuBar, QMenu { background: $surface; }
QMenuBar { border-bottom: 1px solid $line; padding: 2px 6px; }
QMenuBar::item { padding: 5px 10px; background: transparent; border-radius: 4px; }
QMenuBar::item:selected, QMenu::item:selected { background: $accent; color: $on_accent; }
QMenu { border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 6px 24px; border-radius: 4px; }
QStatusBar { background: $surface; border-top: 1px solid $line; }
QStatusBar QLabel { color: $quiet; padding: 2px 8px; }
QStatusBar::item { border: none; }
QScrollArea { border: none; background: transparent; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { width: 10px; background: transparent; }
QScrollBar::handle:vertical { background: $line; border-radius: 5px; min-height: 24px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
"""
)


def stylesheet(theme: Theme) -> str:
    return _SHEET.substitute({name: getattr(theme, name) for name in Theme.__dataclass_fields__})
