"""All that acts on the line, as one output."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from station.outputs.base import JudgedPart, LineState, Output, OutputState, TriggeredPart


class ActOutputs:
    """Hands everything to each of its outputs, in the order of the configuration; the line's loop calls it."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for output in self._outputs:
                opening.enter_context(output)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def expect(self, part: TriggeredPart) -> None:
        for output in self._outputs:
            output.expect(part)

    def act(self, judged: JudgedPart) -> None:
        for output in self._outputs:
            output.act(judged)

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        return [state for output in self._outputs for state in output.pulse(line)]
