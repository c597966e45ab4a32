"""The code on a part, read from its picture: a QR code or a barcode with its serial number."""

from __future__ import annotations

from typing import Literal

import cv2

from inspector.values import Image

CodeKind = Literal["qr", "barcode"]
LONGEST = 128
"""Characters that a serial number has at most."""


class CodeReader:
    """Reads one code. Only the inspecting thread calls it; it costs milliseconds a frame."""

    def __init__(self, kind: CodeKind) -> None:
        self._detector = cv2.QRCodeDetector() if kind == "qr" else cv2.barcode.BarcodeDetector()

    def read(self, image: Image) -> str | None:
        """Return what the code says; None where there is none, none that can be read, or two that differ."""
        try:
            _, words, _, _ = self._detector.detectAndDecodeMulti(image)
        except cv2.error:  # some pictures without a code drive its geometry out of range
            return None
        found = {word for word in words if word}
        return found.pop()[:LONGEST] if len(found) == 1 else None
