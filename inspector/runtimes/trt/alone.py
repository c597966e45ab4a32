"""Work inside TensorRT during which none of its objects may be freed.

TensorRT holds a lock while it tells its log, and takes the same lock when a builder is freed. Our log is Python: if
the collector runs in it and finds a builder, for instance in the traceback of a refusal, the thread waits for itself
for ever. So the collector rests meanwhile, one thread works at a time, and a refusal keeps no frame that held one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TypeVar

from inspector.errors import BundleError

Made = TypeVar("Made")

_ONE_AT_A_TIME = RLock()


def alone(work: Callable[[], Made]) -> Made:
    """Do `work` with the collector at rest; its BundleError is raised anew, without the frames it came from."""
    with _ONE_AT_A_TIME, _collector_at_rest():
        try:
            return work()
        except BundleError as error:
            refusal = str(error)
    raise BundleError(refusal)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
