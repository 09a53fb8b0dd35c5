"""Writes of an event loop that go with one commit: one hop to the writer's thread and one back serve all of them.

What comes while a commit is under way waits here, on the loop, and goes with the next one. Each piece of work is
answered by itself, after the commit, as if it had been submitted alone; one that fails takes none of the others along.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from renkei.store.errors import StoreBusyError
from renkei.store.writer import Handle, Outcome, Work

T = TypeVar("T")


class Gathering(Generic[Handle]):
    """The writes of one event loop.

    Args:
        loop: of those who write.
        submit: does works or has them done, and answers after the commit: `Writer.begin_together`.
        max_batch: the most pieces of work that go together.
        max_waiting: the most pieces of work that may wait here.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        submit: Callable[[Sequence[Work[Handle, Any]]], Future[list[Outcome]]],
        *,
        max_batch: int = 256,
        max_waiting: int = 8192,
    ) -> None:
        self.loop = loop
        self._submit = submit
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Work[Handle, Any], asyncio.Future[Any]]] = deque()
        self._committing = False

    async def write(self, work: Work[Handle, T]) -> T:
        """Return what `work` returned, after the durable commit, or raise what it raised.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: the machine is at fault, or the database is closed.
        """
        if len(self._waiting) >= self._max_waiting:
            raise StoreBusyError(f"{self._max_waiting} writes are waiting")
        future: asyncio.Future[T] = self.loop.create_future()
        self._waiting.append((work, future))
        if not self._committing:
            self._committing = True
            self.loop.call_soon(self._hand_over)  # what else comes in this turn of the loop goes along
        return await future

    def _hand_over(self) -> None:
        """Submit what waits and is still wanted; without any the next write begins anew."""
        batch: list[tuple[Work[Handle, Any], asyncio.Future[Any]]] = []
        while self._waiting and len(batch) < self._max_batch:
            work, future = self._waiting.popleft()
            if not future.done():
                batch.append((work, future))
        if not batch:
            self._committing = False
            return
        futures = [future for _, future in batch]
        try:
            done = self._submit([work for work, _ in batch])
        except Exception as error:  # noqa: BLE001 (whatever it was, every caller of this batch must hear of it)
            self._answer(futures, [(None, error)] * len(futures))
            return
        done.add_done_callback(lambda done: self._come_back(futures, done))

    def _come_back(self, futures: Sequence[asyncio.Future[Any]], done: Future[list[Outcome]]) -> None:
        """Bring the outcomes from the writer's thread to the loop; one that is closed has nobody who waits."""
        error = done.exception()
        outcomes = done.result() if error is None else [(None, error)] * len(futures)
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._answer, futures, outcomes)

    def _answer(self, futures: Sequence[asyncio.Future[Any]], outcomes: Sequence[Outcome]) -> None:
        for future, (result, raised) in zip(futures, outcomes, strict=True):
            if future.done():
                continue  # its caller has gone
            if raised is None:
                future.set_result(result)
            else:
                future.set_exception(raised)
        self._hand_over()
