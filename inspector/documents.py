"""Reading files that people or machines wrote, with every fault named in one line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from inspector.errors import UserError


class Document(BaseModel):
    """Base of what crosses a file: frozen; an unknown field is a fault, and so is a number that is none.

    A table that sets some of its fields leaves the others at the defaults of the document that it stands in, which
    need not be those of the table's own kind: `epochs = 100` changes the epochs and nothing else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        given = {
            name: _over(field.default, content[name])
            for name, field in cls.model_fields.items()
            if name in content and isinstance(field.default, Document)
        }
        return {**content, **given}


def _over(default: BaseModel, given: Any) -> Any:
    """Return what was set on `default`, with what is given over it; what is given and no table stays as it is."""
    if not isinstance(given, dict):
        return given
    kept: dict[str, Any] = {}
    for name in default.model_fields_set:
        value = getattr(default, name)
        if name in given:
            kept[name] = _over(value, given[name]) if isinstance(value, BaseModel) else given[name]
        else:
            kept[name] = value
    return {**given, **kept}


D = TypeVar("D", bound=BaseModel)


def faults_of(error: ValidationError) -> str:
    """Return all faults of a document in one line: `field: what was expected (got what)`."""
    return "; ".join(_fault(fault["loc"], fault["msg"], fault.get("input"), fault["type"]) for fault in error.errors())


def _fault(location: tuple[int | str, ...], message: str, value: object, kind: str) -> str:
    field = ".".join(str(step) for step in location) or "document"
    if kind == "extra_forbidden":
        return f"{field}: unknown field"
    if kind == "missing":
        return f"{field}: missing"
    shown = repr(value)
    return f"{field}: {message[:1].lower()}{message[1:]} (got {shown if len(shown) <= 60 else shown[:57] + '...'})"


def parse(source: str, content: Any, model: type[D], error: type[UserError]) -> D:
    """Validate `content` as `model`; raise `error` with every fault, naming `source`."""
    try:
        return model.model_validate(content)
    except ValidationError as fault:
        raise error(f"{source}: {faults_of(fault)}") from fault


def read_bytes(path: Path, error: type[UserError]) -> bytes:
    """Read a file or raise `error` naming it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror})") from fault


def read_toml(path: Path, model: type[D], error: type[UserError]) -> D:
    """Read a TOML file as `model`; raise `error` for a missing file, bad syntax or wrong fields."""
    try:
        content = tomllib.loads(read_bytes(path, error).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{path}: not TOML ({fault})") from fault
    return parse(str(path), content, model, error)


def read_json(path: Path, model: type[D], error: type[UserError]) -> D:
    """Read a JSON file as `model`; raise `error` for a missing file, bad syntax or wrong fields."""
    return parse_json(str(path), read_bytes(path, error), model, error)


def parse_json(source: str, words: str | bytes, model: type[D], error: type[UserError]) -> D:
    """Validate JSON as `model`; raise `error` for bad syntax or wrong fields, naming `source`."""
    try:
        content = json.loads(words)
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{source}: not JSON ({fault})") from fault
    return parse(source, content, model, error)
