"""coremltools, imported when it is asked for, and kept quiet: it greets, warns and draws progress bars."""

from __future__ import annotations

import contextlib
import io
import logging
import platform
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from inspector.errors import RuntimeUnavailable


def load_coremltools() -> Any:
    """Return the module, with what else packages are made of at hand; RuntimeUnavailable says how to install it."""
    try:
        with quietly():
            for name in ("PIL", "onnx"):
                import_module(name)
            return import_module("coremltools")
    except ImportError as error:
        advice = "pip install 'open-inspector[coreml]'"
        raise RuntimeUnavailable(f"Core ML packages need {error.name or error}: {advice}") from error


def require_macos() -> None:
    """Raise RuntimeUnavailable on any other system."""
    if platform.system() != "Darwin":
        raise RuntimeUnavailable(f"--check: only macOS runs Core ML, this is {platform.system()}; export without it")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep the library's remarks (versions of torch and scikit-learn that it does not know, progress) to itself."""
    log = logging.getLogger("coremltools")
    level = log.level
    log.setLevel(logging.CRITICAL)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)
