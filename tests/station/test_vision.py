"""The vision process from inside: what it says of its cameras when it fails."""

from __future__ import annotations

import multiprocessing
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from db.images import ImageStore
from inspector.ids import new_id
from inspector.values import Frame
from station.acquire import Acquisition, FrameShelf
from station.cameras.notes import CameraNotes
from station.messages import Begin, Ended, Exposed, FromVision, Inspect
from station.vision import Encoder, Lane, Pipe, Vision


class Failing:
    """An inspector that fails as nobody foresaw."""

    faults = ()

    def judge(self, views: list[Any]) -> Any:
        raise ZeroDivisionError


class OneServing:
    """Serves one bundle, whose inspector fails."""

    def __init__(self) -> None:
        self.current = Failing()

    def save(self) -> None:
        return None

    def take_over(self) -> None:
        return None


def test_failure_of_the_inspecting_thread_is_not_told_as_the_end_of_the_camera(make_config: Any, tmp_path: Path):
    config = make_config()
    ours, theirs = multiprocessing.Pipe()
    told: list[FromVision] = []

    def announce(message: FromVision) -> None:
        told.append(message)
        if isinstance(message, Exposed):
            ours.send(Inspect(new_id(), "camera-1", message.sequence, time.monotonic_ns() + 10**12))

    shelf = FrameShelf(2, frame_as_view)
    notes = CameraNotes(config.camera, config.recipe, tmp_path / "cameras", announce)
    lane = Lane(shelf, Acquisition(config.camera, 0, shelf, announce, notes))
    pipe = Pipe(theirs, threading.Lock())
    encoder = Encoder(pipe, ImageStore(config.images), "jpeg")
    vision = Vision(pipe, OneServing(), encoder, {"camera-1": lane}, config)  # type: ignore[arg-type]
    ours.send(Begin())
    with pytest.raises(ZeroDivisionError):
        vision.answer_until_line_ends()
    assert any(isinstance(message, Exposed) for message in told)
    assert not any(isinstance(message, Ended) for message in told)
    for end in (ours, theirs):
        end.close()


def frame_as_view(*_: Frame) -> Any:
    """A frame, prepared for the serving that fails."""
    return SimpleNamespace(serving=Failing(), view=None, assess=lambda: None)


def numbered(sequence: int) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), "camera-1", sequence, datetime.now(UTC))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_frame_whose_preparation_failed_nor_for_those_behind_it() -> None:
    def fail(frame: Frame, serving: int) -> Any:
        raise ZeroDivisionError

    shelf = FrameShelf(2, fail)
    for sequence in (1, 2):
        shelf.put(numbered(sequence), 0)
    for sequence in (1, 2):
        with pytest.raises(RuntimeError, match=f"frame {sequence} was not prepared: the prepare thread has failed"):
            shelf.take(sequence)
    assert shelf.empty
    shelf.close()


def test_frame_is_taken_before_it_is_assessed():
    inferred = threading.Event()
    assessed: list[bool] = []
    held = SimpleNamespace(assess=lambda: assessed.append(inferred.wait(30)))
    shelf = FrameShelf(2, lambda *_: held)  # type: ignore[arg-type, return-value]
    shelf.put(numbered(0), 0)
    assert shelf.take(0) is held
    assert assessed == []
    inferred.set()
    shelf.close()
    assert assessed == [True]
