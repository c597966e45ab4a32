"""Where parts are inspected again: in this process, in several, or on a Ray cluster. All say the same of a part.

A chunk of parts whose worker died is given to another one; after `_MOST_TRIES` the run fails and says so.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from inspector.errors import UserError
from training.backtest.parts import Bench, RecordedPart, Rejudged, rejudge

Chunk = tuple[RecordedPart, ...]
Told = Callable[[int], None]
"""Called with the number of parts that are done."""

CHUNK = 16
LOCAL = "local"
_MOST_TRIES = 4


class BacktestEngine(Protocol):
    """Inspects chunks of parts; the answers come in the order of the chunks."""

    def run(self, bench: Bench, chunks: Sequence[Chunk], told: Told) -> list[list[Rejudged]]: ...


def chunks_of(parts: Sequence[RecordedPart], size: int = CHUNK) -> list[Chunk]:
    """Cut parts into chunks."""
    return [tuple(parts[start : start + size]) for start in range(0, len(parts), size)]


class Serial:
    """In this process."""

    def run(self, bench: Bench, chunks: Sequence[Chunk], told: Told) -> list[list[Rejudged]]:
        answers = []
        for chunk in chunks:
            answers.append(rejudge(bench, chunk))
            told(len(chunk))
        return answers


class Processes:
    """In several processes of this machine."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, bench: Bench, chunks: Sequence[Chunk], told: Told) -> list[list[Rejudged]]:
        answers: dict[int, list[Rejudged]] = {}
        for _ in range(_MOST_TRIES):
            missing = [number for number in range(len(chunks)) if number not in answers]
            if not missing:
                break
            self._try(bench, chunks, missing, answers, told)
        if len(answers) < len(chunks):
            raise UserError(
                f"backtest: a worker died {_MOST_TRIES} times; {len(chunks) - len(answers)} chunks are missing"
            )
        return [answers[number] for number in range(len(chunks))]

    def _try(
        self,
        bench: Bench,
        chunks: Sequence[Chunk],
        missing: Sequence[int],
        answers: dict[int, list[Rejudged]],
        told: Told,
    ) -> None:
        """Do what is missing; where a worker dies, what was done until then stays done."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._workers, mp_context=context) as pool:
            futures: dict[Future[list[Rejudged]], int] = {}
            try:
                futures = {pool.submit(rejudge, bench, chunks[number]): number for number in missing}
                for future in as_completed(futures):
                    answers[futures[future]] = future.result()
                    told(len(chunks[futures[future]]))
            except BrokenProcessPool:
                for future in futures:
                    future.cancel()


class RayCluster:
    """On a Ray cluster: `local` starts one on this machine with so many workers, else the address of one that runs.

    Bundle and pictures must be where they are here on every node, and the program installed there.
    """

    def __init__(self, address: str, workers: int) -> None:
        self._address, self._workers = address, workers

    def run(self, bench: Bench, chunks: Sequence[Chunk], told: Told) -> list[list[Rejudged]]:
        with _connected(self._address, self._workers) as ray:
            task = ray.remote(rejudge).options(num_cpus=1, max_retries=_MOST_TRIES - 1)
            shared = ray.put(bench)
            waiting = {task.remote(shared, chunk): number for number, chunk in enumerate(chunks)}
            answers: dict[int, list[Rejudged]] = {}
            while waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                number = waiting.pop(done)
                answers[number] = _answer(ray, done)
                told(len(chunks[number]))
        return [answers[number] for number in range(len(chunks))]


def _answer(ray: Any, reference: Any) -> list[Rejudged]:
    try:
        answer: list[Rejudged] = ray.get(reference)
    except ray.exceptions.RayError as error:
        raise UserError(f"backtest: Ray: {str(error).strip().splitlines()[-1]}") from error
    return answer


@contextmanager
def _connected(address: str, workers: int) -> Iterator[Any]:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError("--ray needs ray: pip install 'open-inspector[ray]'") from error
    where: dict[str, Any] = {"num_cpus": workers} if address == LOCAL else {"address": address}
    try:
        ray.init(
            **where,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError) as error:
        raise UserError(f"--ray {address}: {str(error).strip().splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
