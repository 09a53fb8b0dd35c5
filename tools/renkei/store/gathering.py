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
_Caller = tuple[int, asyncio.Future[list[Outcome]]]
"""How many pieces of work somebody has in a batch, and where he waits for what becomes of them."""


class Gathering(Generic[Handle]):
    """The writes of one event loop.

    Args:
        loop: of those who write.
        submit: does works or has them done, and answers after the commit: `Writer.begin_together`.
        max_batch: the most pieces of work of several callers that go together; one caller's aren't parted.
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
        self._waiting: deque[tuple[Sequence[Work[Handle, Any]], asyncio.Future[list[Outcome]]]] = deque()
        self._count = 0
        self._committing = False

    async def write(self, work: Work[Handle, T]) -> T:
        """Return what `work` returned, after the durable commit, or raise what it raised.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: the machine is at fault, or the database is closed.
        """
        [(result, raised)] = await self.write_together((work,))
        if raised is not None:
            raise raised
        written: T = result
        return written

    async def write_together(self, works: Sequence[Work[Handle, Any]]) -> list[Outcome]:
        """Return the outcome of each of some works, after the one durable commit that they all go with.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: nothing could be committed, or the database is closed.
        """
        if self._count >= self._max_waiting:
            raise StoreBusyError(f"{self._max_waiting} writes are waiting")
        future: asyncio.Future[list[Outcome]] = self.loop.create_future()
        self._waiting.append((works, future))
        self._count += len(works)
        if not self._committing:
            self._committing = True
            self.loop.call_soon(self._hand_over)  # what else comes in this turn of the loop goes along
        return await future

    def _hand_over(self) -> None:
        """Submit what waits and is still wanted; without any the next write begins anew."""
        batch: list[Work[Handle, Any]] = []
        callers: list[_Caller] = []
        while self._waiting and (not batch or len(batch) + len(self._waiting[0][0]) <= self._max_batch):
            works, future = self._waiting.popleft()
            self._count -= len(works)
            if not future.done():
                batch.extend(works)
                callers.append((len(works), future))
        if not batch:
            self._committing = False
            return
        try:
            done = self._submit(batch)
        except Exception as error:  # noqa: BLE001 (whatever it was, every caller of this batch must hear of it)
            self._answer(callers, [], error)
            return
        done.add_done_callback(lambda done: self._come_back(callers, done))

    def _come_back(self, callers: Sequence[_Caller], done: Future[list[Outcome]]) -> None:
        """Bring the outcomes from the writer's thread to the loop; one that is closed has nobody who waits."""
        error = done.exception()
        outcomes = done.result() if error is None else []
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._answer, callers, outcomes, error)

    def _answer(self, callers: Sequence[_Caller], outcomes: Sequence[Outcome], error: BaseException | None) -> None:
        first = 0
        for works, future in callers:
            if future.done():
                pass  # its caller has gone
            elif error is None:
                future.set_result([*outcomes[first : first + works]])
            else:
                future.set_exception(error)
            first += works
        self._hand_over()
