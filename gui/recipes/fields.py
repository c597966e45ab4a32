"""The fields of a recipe as its schema has them, and what is written in them as text. No Qt.

A field without text has its default; a table that may be unset, such as the region of interest, is set as soon as one
of its fields has text.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from inspector.documents import Document
from inspector.recipe import Recipe

Texts = Mapping[str, str]
"""By path; what is not there has its default."""
GENERAL = ""
_NAME = "name"
_UNITS = (("mm_per_px", "mm/px"), ("_px", "px"), ("_ms", "ms"), ("_brightness", "0-255"), ("_share", "0-1"))
_PIXELS = ("roi.x", "roi.y", "roi.width", "roi.height")


class Kind(StrEnum):
    """How a field is written."""

    LINE = "line"
    NUMBER = "number"
    CHOICE = "choice"
    TABLE = "table"
    """TOML: `name = value`, one a line."""
    ROWS = "rows"
    """The inside of a TOML table, one a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field. `default` is empty where it is unset."""

    path: str
    kind: Kind
    help: str
    unit: str
    default: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def section(self) -> str:
        """The table it stands in; rows and tables have a section of their own."""
        if self.kind in (Kind.TABLE, Kind.ROWS):
            return self.path.partition(".")[0]
        return self.path.rpartition(".")[0].partition(".")[0] or GENERAL


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field: pydantic's kind of error, its bounds, and its words.

    `where` is the place inside the field, such as the row of a rule and its name there.
    """

    path: str
    kind: str
    bounds: Mapping[str, Any]
    words: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What texts make: a recipe, or the faults that keep them from it."""

    recipe: Recipe | None
    faults: tuple[Fault, ...] = ()

    def of(self, path: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.path == path), None)


@cache
def entries() -> tuple[Entry, ...]:
    """Every field but the name, in the order of the schema."""
    return tuple(_walk(Recipe, "", None))


@cache
def sections() -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.section for entry in entries()))


def helps() -> list[str]:
    """Every description that the form shows, to be translated."""
    return list(dict.fromkeys(entry.help for entry in entries()))


def texts_of(recipe: Recipe) -> dict[str, str]:
    """What a recipe sets beyond its defaults."""
    found = {entry.path: _text(_at(recipe, entry.path)) for entry in entries()}
    return {entry.path: found[entry.path] for entry in entries() if found[entry.path] not in ("", entry.default)}


def written(name: str, texts: Texts) -> Written:
    """Make a recipe of texts."""
    content: dict[str, Any] = {_NAME: name}
    faults = []
    for entry in entries():
        text = texts.get(entry.path, "").strip()
        if not text:
            continue
        try:
            _put(content, entry.path, _value(entry, text))
        except (tomllib.TOMLDecodeError, ValueError) as error:
            faults.append(Fault(entry.path, "toml", MappingProxyType({}), str(error)))
    if faults:
        return Written(None, tuple(faults))
    try:
        return Written(Recipe.model_validate(content))
    except ValidationError as error:
        return Written(None, tuple(_fault(one) for one in error.errors()))


def differing(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """The paths on which two recipes differ."""
    return tuple(entry.path for entry in entries() if _at(before, entry.path) != _at(after, entry.path))


# ---- the schema


def _walk(model: type[Document], prefix: str, default: Document | None) -> Iterator[Entry]:
    for name, field in model.model_fields.items():
        path = prefix + name
        if path == _NAME:
            continue
        inner = _document(field.annotation)
        own = _default(field) if default is None else getattr(default, name)
        if inner is None:
            yield _entry(path, field, own)
        else:
            yield from _walk(inner, f"{path}.", own)


def _entry(path: str, field: FieldInfo, default: Any) -> Entry:
    kind, choices = _kind(field.annotation)
    return Entry(path, kind, field.description or "", _unit(path), _text(default), choices)


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    if annotation is bool:
        return Kind.CHOICE, ("true", "false")
    origin = get_origin(annotation)
    if origin is Literal:
        return Kind.CHOICE, tuple(map(str, get_args(annotation)))
    if origin in (tuple, dict):
        return Kind.ROWS if origin is tuple else Kind.TABLE, ()
    numeric = {int, float} & {annotation, *get_args(annotation)}
    return Kind.NUMBER if numeric else Kind.LINE, ()


def _document(annotation: Any) -> type[Document] | None:
    """The table that a field is, also one that may be unset; rows are none."""
    if get_origin(annotation) in (tuple, dict):
        return None
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Document)), None)


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True, validated_data={})
    return None if default is PydanticUndefined else default


def _unit(path: str) -> str:
    if path in _PIXELS:
        return "px"
    return next((unit for end, unit in _UNITS if path.endswith(end)), "")


# ---- values and texts


def _at(document: Document, path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        value = None if value is None else getattr(value, step)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "\n".join(_inline(row.model_dump(exclude_defaults=True, mode="json")) for row in value)
    if isinstance(value, dict):
        return "\n".join(_table(value, ""))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _table(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in content.items():
        key = prefix + (name if name.isidentifier() and name.isascii() else _toml(name))
        if isinstance(value, Mapping):
            yield from _table(value, f"{key}.")
        else:
            yield f"{key} = {_toml(value)}"


def _inline(content: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_toml(value)}" for name, value in content.items())


def _toml(value: Any) -> str:
    """Of plain values JSON is TOML."""
    return json.dumps(value, ensure_ascii=False)


def _value(entry: Entry, text: str) -> Any:
    if entry.kind is Kind.TABLE:
        return tomllib.loads(text)
    if entry.kind is Kind.ROWS:
        return [tomllib.loads(f"row = {{{line}}}")["row"] for line in text.splitlines() if line.strip()]
    return text.replace(",", ".") if entry.kind is Kind.NUMBER else text


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    *tables, name = path.split(".")
    for table in tables:
        content = content.setdefault(table, {})
    content[name] = value


def _fault(error: Any) -> Fault:
    """Name the field that an error is about; one of a whole table is told at its first field."""
    location = ".".join(str(step) for step in error["loc"])
    paths = [entry.path for entry in entries()]
    inside = [path for path in paths if location == path or location.startswith(f"{path}.")]
    around = [path for path in paths if path.startswith(f"{location}.")]
    path = (inside or around or [paths[0]])[0]
    if not location and "mm_per_px" in error["msg"]:
        path = "mm_per_px"
    where = location.removeprefix(f"{path}.") if inside and location != path else ""
    return Fault(path, error["type"], error.get("ctx", {}), error["msg"], where)
