"""The shadow gives way: what it is offered while parts wait is skipped and counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspector.ids import new_id
from inspector.recipe import Recipe
from inspector.values import Frame
from station.config import StationConfig
from station.messages import FromVision, ShadowJudged
from station.serving import ready_serving
from station.shadowing import Shadow

FRAME = Frame(np.full((96, 128, 3), 200, np.uint8), "camera-1", 0, datetime.now(UTC))


class Listener:
    def __init__(self) -> None:
        self.heard: list[ShadowJudged] = []
        self.idle = threading.Event()

    def hear(self, message: FromVision) -> None:
        assert isinstance(message, ShadowJudged)
        self.heard.append(message)

    def wait_for(self, count: int) -> None:
        until_s = time.monotonic() + 10
        while len(self.heard) < count and time.monotonic() < until_s:
            time.sleep(0.005)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def shadow(make_config, bundle_path: Path, listener: Listener) -> Iterator[Shadow]:
    config: StationConfig = make_config()
    made = Shadow(ready_serving(3, bundle_path, Recipe(), config, lambda _: None), listener.hear, listener.idle)
    yield made
    made.close()


def test_no_part_is_scored_while_parts_wait_and_the_last_one_is_when_none_does(shadow: Shadow, listener: Listener):
    parts = [new_id() for _ in range(5)]
    for part_id in parts:
        shadow.offer(part_id, "camera-1", FRAME)
    time.sleep(0.3)
    assert listener.heard == []
    listener.idle.set()
    listener.wait_for(1)
    assert [(said.part_id, said.judged, said.skipped) for said in listener.heard] == [(parts[-1], 1, 4)]


def test_every_part_is_scored_where_each_leaves_the_time(shadow: Shadow, listener: Listener):
    listener.idle.set()
    for count in range(1, 4):
        shadow.offer(new_id(), "camera-1", FRAME)
        listener.wait_for(count)
    assert [(said.judged, said.skipped) for said in listener.heard] == [(1, 0), (2, 0), (3, 0)]
