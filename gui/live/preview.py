"""The newest picture of a station, from its own port (docs/health.md): small, and only while somebody looks."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import quote

from gui.live.stream import parse_address
from gui.picture import Pyramid, pyramid
from inspector.errors import PeerFault
from inspector.preprocess import decode_image

WITHIN_S = 2.0
LARGEST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A picture as the camera gave it, made smaller."""

    picture: Pyramid
    camera: str
    age_s: str


def read_preview(address: str, token: str | None, camera: str | None = None) -> Preview:
    """Ask for the newest picture; `camera` None: the station's first.

    Raises:
        PeerFault: the station is not there, or has none.
        UnreadableImage: what it sent is no picture.
    """
    parts = parse_address(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=WITHIN_S)
    path = "/preview.jpg" + (f"?camera={quote(camera)}" if camera else "")
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        content = response.read(LARGEST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise PeerFault(f"{address}: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise PeerFault(f"{address}: {content[:200].decode('utf-8', 'replace').strip() or response.reason}")
    return Preview(
        pyramid(decode_image(content, address)), response.getheader("X-Camera", ""), response.getheader("X-Age-S", "")
    )
