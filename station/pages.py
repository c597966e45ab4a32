"""Self-contained HTML pages from the templates of this package. Jinja2 and matplotlib are of the extra `report`."""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2

from inspector.errors import UserError


def require_packages(otherwise: str = "") -> None:
    """Raise UserError, saying what to install, where a package is missing; `otherwise` says how to do without."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        what_to_do = f"pip install 'open-inspector[report]'{otherwise and f', or {otherwise}'}"
        raise UserError(f"report needs {error.name}: {what_to_do}") from error


def render(template: str, **values: Any) -> str:
    """Return the page of a template, named by its path within this package; what it includes is named likewise."""
    import jinja2

    def source(name: str) -> str:
        return files("station").joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(percent=percent, **values)


def write(page: str, out: Path) -> None:
    """Write a page, making its folder; raise UserError where that cannot be."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"report: {out}: cannot be written ({error.strerror})") from error


def percent(share: float) -> str:
    """Return a share as text with as many digits as it needs: 12 %, 4.8 %, 0.35 %."""
    value = 100 * share
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    return f"{value:.{digits}f} %"


def jpeg(image: cv2.typing.MatLike) -> str:
    """Return a picture as JPEG in base64, for the page itself."""
    encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
    return base64.b64encode(encoded.tobytes()).decode("ascii")
