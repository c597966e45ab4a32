"""What is answered to a request that is let in, but for the streams of `/events`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from station.health.document import Health
from station.health.request import Refused, Request
from station.outputs.document import moment
from station.preview import LONGEST_PX, Preview, PreviewSlot, shrunk

JSON = "application/json"
OLDEST_S = 10.0
USUAL_PX = 640
SMALLEST_PX = 64
_JPEG_QUALITY = 80


class Answer(NamedTuple):
    """A whole answer; `headers` come on top of those that every answer has."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of `/events`, counted."""

    open: int
    dropped: int


def refusal(refused: Refused) -> Answer:
    body = json.dumps({"error": refused.words, **refused.more}).encode()
    headers = {
        HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
        HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
        HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
    }
    return Answer(refused.status, body, headers=headers.get(refused.status, {}))


def health_answer(health: Health, document: bytes) -> Answer:
    return Answer(HTTPStatus.OK if health.may_run else HTTPStatus.SERVICE_UNAVAILABLE, document)


def metrics_answer(health: Health, streams: Streams) -> Answer:
    from station.health import metrics  # its library is not for the line process

    body = metrics.metrics_text(health, streams.open, streams.dropped, time.monotonic_ns())
    return Answer(HTTPStatus.OK, body, metrics.CONTENT_TYPE)


def preview_answer(request: Request, slots: Mapping[str, PreviewSlot]) -> Answer:
    """Return the newest picture of a camera as JPEG, or nothing where the asker has it; raise Refused."""
    camera = request.query.get("camera", next(iter(slots)))
    if camera not in slots:
        raise Refused(HTTPStatus.NOT_FOUND, f"camera {camera[:64]!r}: expected one of {', '.join(slots)}")
    oldest_s = request.number("max_age_s", OLDEST_S, 0.1, 86_400)
    longest_px = int(request.number("longest_px", USUAL_PX, SMALLEST_PX, LONGEST_PX))
    slots[camera].ask()
    preview = slots[camera].read()
    if preview is None:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{camera}: there is no picture yet", age_s=None)
    age_s = max(0.0, (time.monotonic_ns() - preview.written_ns) / 1e9)
    if age_s > oldest_s:
        why = f"{camera}: the newest picture is {age_s:.1f} s old; expected {oldest_s:g} s at most"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, why, age_s=round(age_s, 1))
    about = _about(camera, preview, age_s)
    if request.query.get("after") == about["X-Sequence"]:
        return Answer(HTTPStatus.NO_CONTENT, b"", "image/jpeg", about)
    return Answer(HTTPStatus.OK, _jpeg(preview, longest_px), "image/jpeg", about)


def _about(camera: str, preview: Preview, age_s: float) -> dict[str, str]:
    return {
        "X-Camera": _header(camera),
        "X-Captured-At": moment(preview.captured_at),
        "X-Age-S": f"{age_s:.2f}",
        "X-Sequence": str(preview.sequence),
        "X-Part-Id": str(preview.part_id),
    }


def _header(words: str) -> str:
    """A name as a header may hold it: ASCII, on one line."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in words)


def _jpeg(preview: Preview, longest_px: int) -> bytes:
    import cv2  # 30 MB that a station whose pictures nobody looks at does not need

    cv2.setNumThreads(1)
    _, encoded = cv2.imencode(".jpg", shrunk(preview.image, longest_px), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()
