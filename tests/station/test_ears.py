"""Which pipes have something to say."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection

import pytest

from station.ears import Ears

Pair = tuple[Connection, Connection]


@pytest.fixture
def pipes() -> Iterator[list[Pair]]:
    with ExitStack() as stack:
        made = [multiprocessing.Pipe() for _ in range(2)]
        for end in (end for pair in made for end in pair):
            stack.enter_context(end)
        yield made


def test_only_the_pipe_that_speaks_is_named(pipes: list[Pair]) -> None:
    ears = Ears()
    ears.listen([ours for ours, _ in pipes])
    assert ears.wait(0) == []
    pipes[1][1].send("word")
    assert ears.wait(30) == [pipes[1][0]]
    assert ears.has_more(pipes[1][0])
    assert not ears.has_more(pipes[0][0])


def test_a_pipe_whose_peer_has_closed_has_its_end_to_say(pipes: list[Pair]) -> None:
    ears = Ears()
    ours, theirs = pipes[0]
    ears.listen([ours])
    theirs.close()
    assert ears.wait(30) == [ours]
    with pytest.raises(EOFError):
        ours.recv()


def test_a_pipe_that_takes_the_place_and_the_number_of_another_is_heard(pipes: list[Pair]) -> None:
    ears = Ears()
    old, _ = pipes[0]
    number = old.fileno()
    ears.listen([old])
    passing, theirs = multiprocessing.Pipe()
    old.close()
    with theirs, passing, Connection(os.dup2(passing.fileno(), number)) as fresh:
        assert not ears.has_more(fresh)
        ears.listen([fresh])
        theirs.send("word")
        assert ears.wait(30) == [fresh]


def test_a_pipe_that_is_not_listened_to_is_asked_itself(pipes: list[Pair]) -> None:
    ears = Ears()
    ears.listen([pipes[0][0]])
    pipes[1][1].send("word")
    assert ears.wait(0) == []
    assert ears.has_more(pipes[1][0])
