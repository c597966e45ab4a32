"""Rows on their way to the disk, and what waits until they are there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from uuid import UUID

from db.ledger import Ledger
from inspector.values import InspectionRecord
from station.inbox import Action

ROWS_AHEAD = 16
"""Parts inspected before their rows are durable. While the ledger stalls, a source that can wait is not hurried."""


class Openings:
    """The parts whose rows are not durable yet, each with the actions that wait for its row, in their order.

    The loop's thread calls `open`, `hold` and asks; rows become durable on the ledger's writer thread, which hands
    what waited back by `do_later`. A row that nothing waits for costs no wake-up.
    """

    def __init__(self, ledger: Ledger, do_later: Callable[[Action], None]) -> None:
        self._ledger = ledger
        self._do_later = do_later
        self._lock = threading.Lock()
        self._waiting: dict[UUID, list[Action]] = {}

    def open(self, record: InspectionRecord, refused: Callable[[str], None], simulated: bool = False) -> None:
        """Open the part's row; `refused` is done later, before what waited, where the ledger does not take it."""
        part_id = record.part_id
        with self._lock:
            self._waiting[part_id] = []

        def opened(future: Future[None]) -> None:
            refusal = future.exception()
            with self._lock:
                actions = self._waiting.pop(part_id)
                if refusal is not None:
                    words = str(refusal)
                    actions.insert(0, lambda: refused(words))
                for action in actions:
                    self._do_later(action)

        self._ledger.open_part(record, simulated).add_done_callback(opened)

    def hold(self, part_id: UUID, action: Action) -> bool:
        """Keep `action` until the part's row is durable; False, and not kept, where it is durable already."""
        with self._lock:
            if part_id not in self._waiting:
                return False
            self._waiting[part_id].append(action)
            return True

    @property
    def full(self) -> bool:
        """Whether so many rows are on their way that no further part is to be inspected ahead of its row."""
        return len(self._waiting) >= ROWS_AHEAD

    def __contains__(self, part_id: UUID) -> bool:
        return part_id in self._waiting
