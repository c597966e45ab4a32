"""Orders that a person leaves for a running station: files in its folder, whole or not there, taken once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from inspector.documents import Document, read_json
from inspector.errors import ConfigError, StorageFault, UserError

Left = TypeVar("Left", bound=Document)


def leave(file: Path, order: Document) -> None:
    """Write an order whole or not at all; one that lies there already is replaced.

    Raises:
        ConfigError: the folder cannot be written.
    """
    new = file.with_suffix(".new-order")
    try:
        file.parent.mkdir(exist_ok=True)
        new.write_text(order.model_dump_json(), encoding="utf-8")
        os.replace(new, file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror}); expected the folder of a station") from error


def take_away(file: Path, kind: type[Left]) -> Left:
    """Read an order and take it away.

    Raises:
        UserError: one that cannot be read, which goes too.
        StorageFault: one that cannot be taken away: it would be obeyed again and again.
    """
    try:
        return read_json(file, kind, UserError)
    finally:
        _remove(file)


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFault(f"{file}: cannot be taken away ({error.strerror})") from error
