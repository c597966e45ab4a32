"""The worker: takes the job that waits longest, says that it lives while it works, and says how it ended."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from db.engine import writing
from db.jobs import LASTS, HeldJob, beat, fail, give_back, lease
from inspector.errors import DatabaseError, InspectorError, JobLost
from training.jobs.work import Shop, do_job

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 10.0
BEATS_PER_LEASE = 4


class Worker:
    """Owned by one thread. `owner` names this process and no other: its host, its id, and when it began."""

    def __init__(self, shop: Shop, owner: str) -> None:
        self._shop, self._owner = shop, owner

    def work(self, stop: threading.Event, look_again_s: float = LOOK_AGAIN_S) -> None:
        """Do jobs until `stop` is set; it is looked at between them."""
        while not stop.is_set():
            if self.once() is None:
                stop.wait(look_again_s)

    def once(self) -> HeldJob | None:
        """Do the job that waits longest and return it; None where none waits.

        A job that cannot be done fails with its reason. One that was cancelled, or that another worker took, is let go.
        A worker that is stopped gives its job back.
        """
        with writing(self._shop.engine) as connection:
            held = lease(connection, self._owner, self._shop.clock())
        if held is None:
            return None
        logger.info("job %s of recipe %s, attempt %d", held.job.job_id, held.job.recipe, held.attempt)
        try:
            with self._beating(held):
                bundle_id = do_job(self._shop, held)
            logger.info("job %s made bundle %s", held.job.job_id, bundle_id[:16])
        except JobLost as error:
            logger.warning("%s", error)
        except InspectorError as error:
            self._fail(held, str(error))
        except KeyboardInterrupt:
            self._give_back(held, "the worker was stopped")
            raise
        except Exception as error:  # a fault of ours: on record, and no further job for a worker that has it
            self._keep(held, traceback.format_exc())
            self._fail(held, f"{type(error).__name__}: {error}")
            raise
        return held

    @contextmanager
    def _beating(self, held: HeldJob) -> Iterator[None]:
        """Say meanwhile that the worker lives, also while a command is silent."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(held, over), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30.0)

    def _beat(self, held: HeldJob, over: threading.Event) -> None:
        while not over.wait(LASTS.total_seconds() / BEATS_PER_LEASE):
            try:
                with writing(self._shop.engine) as connection:
                    beat(connection, held, self._shop.clock())
            except JobLost:
                return  # the next word of the command is told so, and ends it
            except DatabaseError as error:
                logger.warning("heartbeat: %s", error)

    def _fail(self, held: HeldJob, why: str) -> None:
        logger.error("job %s failed: %s", held.job.job_id, why)
        try:
            with writing(self._shop.engine) as connection:
                fail(connection, held, why, self._shop.clock())
        except JobLost as error:
            logger.warning("%s", error)

    def _give_back(self, held: HeldJob, why: str) -> None:
        try:
            with writing(self._shop.engine) as connection:
                give_back(connection, held, why, self._shop.clock())
        except JobLost as error:
            logger.warning("%s", error)

    def _keep(self, held: HeldJob, words: str) -> None:
        with (self._shop.folder(held) / "fault.log").open("a", encoding="utf-8") as log:
            log.write(words)
