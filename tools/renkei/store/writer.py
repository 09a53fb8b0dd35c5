"""Group commit: one thread that makes many callers' writes durable by one commit.

It takes whatever is waiting, runs each piece of work in a savepoint of one transaction, commits, and only then gives
each caller its result: one flush serves many callers, and no caller hears of anything that a power cut could undo.
Work that raises is rolled back alone. What database it is, the `Session` knows.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, Protocol, TypeVar

from renkei.store.errors import StoreBusyError, StoreError

T = TypeVar("T")
Handle = TypeVar("Handle")
Handle_co = TypeVar("Handle_co", covariant=True)
_Waiting = tuple[Callable[[Any], Any], Future[Any]]


class Session(Protocol[Handle_co]):
    """The writer's own connection."""

    @property
    def name(self) -> str:
        """What messages call the database: its file or its server."""

    def begin(self) -> Handle_co:
        """Begin a transaction that no other writer can come between; return what work gets to write with."""

    def execute(self, sql: str) -> None:
        """Run a statement: SAVEPOINT, ROLLBACK TO, RELEASE."""

    def commit(self) -> None:
        """Commit durably, or raise."""

    def rollback(self) -> None:
        """Give the transaction up if there still is one; raises nothing."""

    def in_transaction(self) -> bool:
        """Whether the transaction still stands: some errors end it with everybody's work."""

    def is_at_fault(self, error: Exception) -> bool:
        """Whether an error of some work is the machine's and not the work's."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(slots=True)
class Statistics:
    """What the writer did since it was opened: commits, pieces of work, and the sizes of the last batches."""

    commits: int = 0
    works: int = 0
    batches: deque[int] = field(default_factory=lambda: deque(maxlen=1024))


class Writer(Generic[Handle]):
    """The thread and its queue.

    Args:
        session: the connection, used by this thread alone from now on.
        max_batch: the most pieces of work in one transaction.
        max_waiting: the most pieces of work that may wait.
    """

    def __init__(self, session: Session[Handle], *, max_batch: int = 256, max_waiting: int = 8192) -> None:
        self.statistics = Statistics()
        self._session = session
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closing = Lock()
        self._closed = False
        self._thread = Thread(target=self._run, name=f"writer of {session.name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Handle], T]) -> Future[T]:
        """Hand `work` over; the future is done after the commit, or holds what `work` raised.

        Where the machine is at fault (a full disk, say) it holds a StoreError.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: the database is closed.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StoreError(f"{self._session.name}: is closed")
            if self._queue.qsize() >= self._max_waiting:
                raise StoreBusyError(f"{self._session.name}: {self._max_waiting} writes are waiting")
            self._queue.put((work, future))
        return future

    @property
    def waiting(self) -> int:
        """How many pieces of work wait."""
        return self._queue.qsize()

    def close(self) -> bool:
        """Finish what was submitted and close the connection; false when it was closed already."""
        with self._closing:
            if self._closed:
                return False
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._session.close()
        return True

    def _run(self) -> None:
        while True:
            batch, more = self._next_batch()
            if batch:
                self._commit(batch)
            if not more:
                return

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        item = self._queue.get()
        batch: list[_Waiting] = []
        while item is not None:
            batch.append(item)
            if len(batch) >= self._max_batch:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Waiting]) -> None:
        wanted = [(work, future) for work, future in batch if future.set_running_or_notify_cancel()]
        try:
            handle = self._session.begin()
            outcomes = [(future, *self._attempt(handle, work)) for work, future in wanted]
            self._session.commit()
        except Exception as error:  # noqa: BLE001 (whatever it was, every caller of this batch must hear of it)
            self._session.rollback()
            for _, future in wanted:
                future.set_exception(self._failure(f"nothing of {len(wanted)} writes was committed: {error}", error))
            return
        self.statistics.commits += 1
        self.statistics.works += len(wanted)
        self.statistics.batches.append(len(wanted))
        for future, result, raised in outcomes:
            if raised is None:
                future.set_result(result)
            else:
                future.set_exception(raised)

    def _attempt(self, handle: Handle, work: Callable[[Handle], Any]) -> tuple[Any, Exception | None]:
        self._session.execute("SAVEPOINT work")
        try:
            result = work(handle)
        except Exception as error:
            if not self._session.in_transaction():
                # A full disk, an I/O error or a lost server ends the whole transaction, the others' work too.
                raise
            self._session.execute("ROLLBACK TO work")
            self._session.execute("RELEASE work")
            return None, self._failure(str(error), error) if self._session.is_at_fault(error) else error
        self._session.execute("RELEASE work")
        return result, None

    def _failure(self, text: str, cause: Exception) -> StoreError:
        failure = StoreError(f"{self._session.name}: {text}")
        failure.__cause__ = cause
        return failure
