"""The preview slot: the newest picture, whole, whoever writes and dies meanwhile."""

from __future__ import annotations

import multiprocessing
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from inspector.ids import new_id
from station.preview import LONGEST_PX, Preview, PreviewSlot, shrunk
from station.previewing import LOOKED_AT_PERIOD_S, PERIOD_S, Previews

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def picture(level: int, shape: tuple[int, ...] = (40, 60, 3), part_id: UUID | None = None) -> Preview:
    return Preview(np.full(shape, level, np.uint8), level, part_id or new_id(), AT, level)


def test_an_empty_slot_holds_nothing() -> None:
    assert PreviewSlot().read() is None


@pytest.mark.parametrize("shape", [(40, 60, 3), (LONGEST_PX, LONGEST_PX, 3), (7, 5), (1, 1, 3)])
def test_what_is_read_is_what_was_written(shape: tuple[int, ...]) -> None:
    slot, written = PreviewSlot(), picture(200, shape)
    slot.write(picture(1))
    slot.write(written)
    read = slot.read()
    assert read is not None
    assert (read.image == written.image).all()
    assert read.image.shape == shape
    assert (read.sequence, read.part_id, read.captured_at) == (200, written.part_id, AT)


def test_no_picture_is_of_two_parts_however_fast_it_is_replaced() -> None:
    slot, stop = PreviewSlot(), threading.Event()
    slot.write(picture(0, (400, 400, 3)))

    def write() -> None:
        while not stop.is_set():
            for level in range(256):
                slot.write(picture(level, (400, 400, 3)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until_s = time.monotonic() + 0.5
        while time.monotonic() < until_s:
            if (read := slot.read()) is not None:
                assert (read.image == read.sequence).all()
    finally:
        stop.set()
        writer.join()


def _write_one(slot: PreviewSlot) -> None:
    slot.write(picture(77))


def test_another_process_sees_the_same_picture() -> None:
    slot = PreviewSlot()
    writer = multiprocessing.get_context("spawn").Process(target=_write_one, args=(slot,))
    writer.start()
    writer.join(30)
    writer.close()
    read = slot.read()
    assert read is not None
    assert read.sequence == 77


@pytest.mark.parametrize("shape", [(1024, 1281, 3), (1281, 3, 3), (3000, 4000), (1280, 1280, 3)])
def test_a_picture_is_shrunk_until_it_fits(shape: tuple[int, ...]) -> None:
    small = shrunk(np.full(shape, 9, np.uint8))
    assert max(small.shape[:2]) <= LONGEST_PX
    assert small.ndim == len(shape)
    assert (small == 9).all()


def test_the_thread_shows_the_newest_and_only_for_cameras_that_have_room() -> None:
    slot = PreviewSlot()
    with Previews({"camera-1": slot}) as previews:
        for level in (1, 2, 3):
            previews.show("camera-1", picture(level))
            previews.show("camera-2", picture(level))
        until_s = time.monotonic() + 10
        while (read := slot.read()) is None and time.monotonic() < until_s:
            time.sleep(0.02)
    assert read is not None
    assert read.sequence == 3
    assert read.written_ns > 0


def test_the_thread_hurries_while_somebody_looks_and_only_then() -> None:
    slot, slots = PreviewSlot(), {"camera-1": PreviewSlot()}
    assert not slot.asked_within(60)
    slot.ask()
    assert slot.asked_within(60)
    assert not slot.asked_within(0)
    previews = Previews({**slots, "camera-2": slot})
    assert previews.period_s == LOOKED_AT_PERIOD_S
    assert Previews(slots).period_s == PERIOD_S


def test_a_question_is_seen_by_the_process_that_writes() -> None:
    slot = PreviewSlot()
    asker = multiprocessing.get_context("spawn").Process(target=slot.ask)
    asker.start()
    asker.join(30)
    asker.close()
    assert slot.asked_within(60)
