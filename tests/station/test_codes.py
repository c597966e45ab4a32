"""The serial number that stands on a part."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.values import Image
from station.codes import CodeReader
from station.running import run_station


def label(words: str) -> Image:
    """(W, H, 3) white label with a QR code."""
    code = cv2.QRCodeEncoder.create().encode(words)
    large = cv2.resize(code, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(np.pad(large, 30, constant_values=255), cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize("words", ["SN-0815", "4006381333931", "https://example.org/p/77"])
def test_qr_code_is_read(words: str) -> None:
    assert CodeReader("qr").read(label(words)) == words


def test_two_codes_that_differ_are_none() -> None:
    first, second = label("A-1"), label("B-2")
    assert CodeReader("qr").read(np.hstack([first, second])) is None


@pytest.mark.parametrize("kind", ["qr", "barcode"])
@given(seed=st.integers(0, 1000))
def test_picture_without_a_code_gives_none(kind, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    assert CodeReader(kind).read(noise) is None


def test_code_in_the_picture_becomes_the_serial_of_the_part(make_config, rows, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), label(f"SN-{number}"))
    config = make_config(camera={"kind": "folder", "path": str(folder)}, read_code="qr")
    parts = rows(run_station(config, threading.Event()))
    assert [part.tag.serial for part in parts] == ["SN-0", "SN-1", "SN-2"]
