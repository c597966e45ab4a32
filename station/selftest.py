"""The golden self-test of what serves, one sample at a time, so that no part waits for more than one."""

from __future__ import annotations

import time
from collections.abc import Callable

from inspector.errors import BundleError, StationError, UnreadableImage
from station.messages import SelfTested
from station.serving import Serving

_LONGEST_PAUSE_S = 0.5
"""While parts come without a pause, a sample is tested so often all the same."""


class RunningTest:
    """Only the inspecting thread calls it."""

    def __init__(self, serving: Serving, clock: Callable[[], float] = time.monotonic) -> None:
        self._serving, self._clock = serving, clock
        samples = serving.inspector.golden_samples()
        self._count, self._waiting = len(samples), list(samples)
        self._tested_s = clock()

    def is_overdue(self) -> bool:
        return self._clock() - self._tested_s > _LONGEST_PAUSE_S

    def step(self) -> SelfTested | None:
        """Test one sample more; return what there is to tell, at the end or at the first that differs."""
        self._tested_s = self._clock()
        try:
            if self._waiting:
                sample = self._waiting.pop(0)
                with self._serving.lock:
                    self._serving.inspector.prove(sample)
        except (BundleError, UnreadableImage, StationError) as error:
            return SelfTested(self._count, str(error))
        return None if self._waiting else SelfTested(self._count)
