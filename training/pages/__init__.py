"""What HTML files of this package share: how they are rendered, how they look, how large their pictures are."""

from __future__ import annotations

import base64

import cv2
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from inspector.preprocess import resize
from inspector.values import Image

HEIGHT_PX, WIDEST_PX = 150, 320


def rendered(package: str, **values: object) -> str:
    """Return `page.html` of that package, which may include `style.html`."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("training.pages", ".")]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(**values)


def thumbnail(image: Image) -> str:
    """Return a picture (H, W, 3) BGR, small, as base64 of a JPEG."""
    scale = min(HEIGHT_PX / image.shape[0], WIDEST_PX / image.shape[1], 1.0)
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    encoded = cv2.imencode(".jpg", resize(image, width, height), (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
    return base64.b64encode(encoded.tobytes()).decode("ascii")
