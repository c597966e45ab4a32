from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import UnreadableImage
from inspector.preprocess import decode_image, read_image
from inspector.values import Image


def picture() -> Image:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)


def encoded(suffix: str, image: Image | None = None) -> bytes:
    return bytes(cv2.imencode(suffix, picture() if image is None else image)[1].tobytes())


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block with one entry, orientation (0x0112), behind the JPEG's start marker."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_pictures_come_back_pixel_for_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"part{suffix}"
    path.write_bytes(encoded(suffix))
    assert np.array_equal(read_image(path), picture())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_grey_file_becomes_three_equal_channels(suffix: str) -> None:
    image = decode_image(encoded(suffix, picture()[:, :, 0].copy()), "grey")
    assert image.shape == (60, 80, 3)
    assert np.array_equal(image[:, :, 0], image[:, :, 2])


def test_a_palette_png_comes_back_in_its_colours(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the palette")
    pillow.fromarray(np.full((20, 30, 3), (200, 100, 50), np.uint8)).convert("P", palette=1).save(tmp_path / "p.png")
    image = read_image(tmp_path / "p.png")
    assert image.shape == (20, 30, 3)
    assert np.abs(image[0, 0].astype(int) - (50, 100, 200)).max() <= 30, "blue first"


def test_a_picture_is_turned_as_its_exif_says() -> None:
    jpeg = encoded(".jpg")
    upright = decode_image(jpeg, "upright")
    turned = decode_image(with_orientation(jpeg, 6), "turned")
    assert np.array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_16_bit_picture_is_refused_by_depth(suffix: str) -> None:
    deep = encoded(suffix, picture().astype(np.uint16) * 257)  # type: ignore[arg-type]
    with pytest.raises(UnreadableImage, match="deep: depth is uint16; expected 8 bits"):
        decode_image(deep, "deep")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_a_truncated_picture_is_refused_by_name(tmp_path: Path, suffix: str, share: float) -> None:
    whole = encoded(suffix)
    path = tmp_path / f"part{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableImage, match=f"part{suffix}: truncated or altered"):
        read_image(path)


def test_an_empty_or_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"empty\.png: truncated"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(UnreadableImage, match=r"gone\.png: cannot be read \(No such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(UnreadableImage, match="Is a directory"):
        read_image(tmp_path)


@pytest.mark.parametrize("content", [b"not an image", b"\xff\xd8 no jpeg \xff\xd9", b"BM" + bytes(60), bytes(999)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableImage, match="x: not an image"):
        decode_image(content, "x")


@given(position=st.integers(8, len(encoded(".png")) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_png_is_noticed_quietly(position: int, bit: int) -> None:
    altered = bytearray(encoded(".png"))
    altered[position] ^= 1 << bit
    with pytest.raises(UnreadableImage):
        decode_image(bytes(altered), "x")


@given(
    content=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0"]),
)
def test_random_bytes_are_a_picture_or_refused_in_one_line(content: bytes, start: bytes) -> None:
    refusals: list[str] = []
    try:
        assert decode_image(start + content, "x").dtype == np.uint8
    except UnreadableImage as error:
        refusals.append(str(error))
    assert not any("\n" in refusal for refusal in refusals)
