"""A network with a spare: when a runtime raises, hangs, answers NaN or another shape, the next one takes over.

The part at hand is judged by the spare, so that a fault costs at most the time that the runtime is given, and no
verdict. A runtime that failed is not asked again before the next start.
"""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inspector.errors import RuntimeFault
from inspector.matching import References
from inspector.model import Model
from inspector.preprocess import Placement
from inspector.values import Image, Prediction

logger = logging.getLogger(__name__)

_UNMAPPED = (RuntimeError, ValueError, TypeError, LookupError, MemoryError, OSError)
"""What a plug-in that does not map its library's errors may raise."""


@dataclass(slots=True, eq=False)
class _Task:
    images: Sequence[Image]
    placements: Sequence[Placement] | None
    done: threading.Event = field(default_factory=threading.Event)
    predictions: list[Prediction] = field(default_factory=list)
    fault: RuntimeFault | None = None


class SteadyModel:
    """The first of several models, and after its fault the next; used like a `Model`, by one thread.

    While it has a spare, the network runs on a thread of its own, so that a call which never returns can be left
    behind. The last one runs on the caller's thread: who waits for it, the station's line process, has a deadline.
    """

    def __init__(self, models: Sequence[Model], give_up_s: float) -> None:
        if not models:
            raise ValueError("a steady model needs at least one model")
        self._models, self._give_up_s = list(models), give_up_s
        self._tasks: queue.SimpleQueue[_Task | None] | None = None
        self.faults: list[str] = []

    def predict(self, images: Sequence[Image], placements: Sequence[Placement] | None = None) -> list[Prediction]:
        """Predict with the first model that can; raise RuntimeFault when the last one fails."""
        while len(self._models) > 1:
            try:
                return self._watched(images, placements)
            except RuntimeFault as fault:
                self._give_up(fault)
        return self._models[0].predict(images, placements)

    def knowing(self, references: References | None, expected: str | None) -> SteadyModel:
        return SteadyModel([model.knowing(references, expected) for model in self._models], self._give_up_s)

    def names(self) -> tuple[str, ...] | None:
        return self._models[0].names()

    def describe(self) -> Mapping[str, str]:
        spares = ", ".join(model.describe()["runtime"] for model in self._models[1:])
        return {**self._models[0].describe(), "spare": spares or "none"}

    def close(self) -> None:
        """End the network's thread, as forgetting the model does; one that hangs is left to the end of the process."""
        if self._tasks is not None:
            self._tasks.put(None)
            self._tasks = None

    def _watched(self, images: Sequence[Image], placements: Sequence[Placement] | None) -> list[Prediction]:
        task = _Task(images, placements)
        self._thread().put(task)
        if not task.done.wait(self._give_up_s):
            raise RuntimeFault(f"no answer within {1e3 * self._give_up_s:.0f} ms")
        if task.fault is not None:
            raise task.fault
        return task.predictions

    def _thread(self) -> queue.SimpleQueue[_Task | None]:
        if self._tasks is None:
            self._tasks = queue.SimpleQueue()
            arguments = (self._models[0], self._tasks)
            threading.Thread(target=_work, args=arguments, name="inference", daemon=True).start()
            weakref.finalize(self, self._tasks.put, None)
        return self._tasks

    def _give_up(self, fault: RuntimeFault) -> None:
        failed = self._models.pop(0).describe()
        self.close()
        self.faults.append(f"{failed['runtime']}: {fault}; {self.describe()['runtime']} takes over")
        logger.error("runtime %s failed (%s); %s takes over", failed["runtime"], fault, self.describe()["runtime"])


def _work(model: Model, tasks: queue.SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        try:
            task.predictions = model.predict(task.images, task.placements)
        except RuntimeFault as fault:
            task.fault = fault
        except _UNMAPPED as error:
            task.fault = RuntimeFault(f"{type(error).__name__}: {str(error)[:200]}")
        task.done.set()
