"""The newest picture of a station, from its own port (docs/health.md): small, and only while somebody looks."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlencode

import cv2
import numpy as np

from gui.live.stream import parse_address
from gui.picture import Pyramid
from inspector.errors import PeerFault
from inspector.preprocess import decode_image

WITHIN_S = 2.0
LARGE_PX = 1280
"""The largest that a station's port has."""
LARGEST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A picture as the camera gave it, made smaller; None where the reader has it already."""

    picture: Pyramid | None
    camera: str
    age_s: float
    sequence: str


def read_preview(address: str, token: str | None, longest_px: int, after: str = "") -> Preview:
    """Ask for the newest picture of the station's first camera, if it is not the one of sequence `after`.

    Raises:
        PeerFault: the station is not there, or has none.
        UnreadableImage: what it sent is no picture.
    """
    parts = parse_address(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=WITHIN_S)
    query = urlencode({"longest_px": longest_px, "after": after})
    try:
        connection.request(
            "GET", f"/preview.jpg?{query}", headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        response = connection.getresponse()
        content = response.read(LARGEST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise PeerFault(f"{address}: {error}") from error
    finally:
        connection.close()
    if response.status not in (http.client.OK, http.client.NO_CONTENT):
        raise PeerFault(f"{address}: {content[:200].decode('utf-8', 'replace').strip() or response.reason}")
    picture = _one_level(content, address) if content else None
    about = (response.getheader(name, "") for name in ("X-Camera", "X-Age-S", "X-Sequence"))
    camera, age, sequence = about
    return Preview(picture, camera, _number(age), sequence)


def _one_level(content: bytes, address: str) -> Pyramid:
    """It was made for this view: no halves of it are wanted."""
    image = decode_image(content, address)
    return Pyramid((np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8),))


def _number(words: str) -> float:
    try:
        return float(words)
    except ValueError:
        return 0.0
