"""Group commit: one thread that makes many callers' writes durable by one commit.

It takes whatever is waiting, runs each piece of work in a savepoint of one transaction, commits, and only then gives
each caller its result: one flush serves many callers, and no caller hears of anything that a power cut could undo.
Work that raises is rolled back alone. What database it is, the `Session` knows.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, Protocol, TypeVar

from renkei.store.errors import StoreBusyError, StoreError

T = TypeVar("T")
Handle = TypeVar("Handle")
Handle_co = TypeVar("Handle_co", covariant=True)
Work = Callable[[Handle], T]
Outcome = tuple[Any, BaseException | None]
"""What a piece of work returned, or what it raised."""


class Session(Protocol[Handle_co]):
    """The writer's own connection."""

    @property
    def name(self) -> str:
        """What messages call the database: its file or its server."""

    def begin(self) -> Handle_co:
        """Begin a transaction that no other writer can come between; return what work gets to write with."""

    def begin_now(self) -> Handle_co | None:
        """Begin as `begin` does, but wait for nobody: None where another has to be waited for."""

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


@dataclass(frozen=True, slots=True)
class _Task:
    """Works that were submitted by one call, and who waits for them."""

    works: Sequence[Work[Any, Any]]
    future: Future[Any]
    alone: bool

    def answer(self, outcomes: list[Outcome]) -> None:
        """Give the outcomes to who waits: of one work its own, of several the list."""
        if not self.alone:
            self.future.set_result(outcomes)
            return
        [(result, raised)] = outcomes
        if raised is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(raised)


@dataclass(frozen=True, slots=True)
class _Begun:
    """Works that were done already, in a transaction that waits for its commit."""

    outcomes: list[Outcome]
    future: Future[list[Outcome]]


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
        self._queue: SimpleQueue[_Task | _Begun | None] = SimpleQueue()
        self._pending = 0
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._run, name=f"writer of {session.name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Handle, T]) -> Future[T]:
        """Hand `work` over; the future is done after the commit, or holds what `work` raised.

        Where the machine is at fault (a full disk, say) it holds a StoreError.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: the database is closed.
        """
        future: Future[T] = Future()
        self._put(_Task((work,), future, alone=True))
        return future

    def submit_together(self, works: Sequence[Work[Handle, Any]]) -> Future[list[Outcome]]:
        """Hand works over that go into one commit; the future has the outcome of each, after the commit.

        Where nothing could be committed it holds a StoreError.

        Raises:
            as `submit`.
        """
        future: Future[list[Outcome]] = Future()
        self._put(_Task(works, future, alone=False))
        return future

    def begin_together(self, works: Sequence[Work[Handle, Any]]) -> Future[list[Outcome]]:
        """Do works at once, in the calling thread; the writer's thread commits them, and the future is done after that.

        One that fails has all of them done again, so they touch nothing but the database.

        It spares the two threads the quarrel over the interpreter at each statement. Where the writer is at work for
        somebody else, or another process holds the database, nobody waits here: it is as `submit_together`.

        Raises:
            as `submit`.
        """
        with self._lock:
            if self._closed:
                raise StoreError(f"{self._session.name}: is closed")
            future: Future[list[Outcome]] = Future()
            try:
                handle = self._session.begin_now() if not self._pending else None
                outcomes = [] if handle is None else self._attempt_all(handle, works)
            except Exception as error:  # noqa: BLE001 (whatever it was, every caller must hear of it)
                self._session.rollback()
                future.set_exception(self._nothing(len(works), error))
                return future
            if handle is not None:
                self._pending += 1
                self._queue.put(_Begun(outcomes, future))
                return future
        return self.submit_together(works)

    def _put(self, task: _Task) -> None:
        with self._lock:
            if self._closed:
                raise StoreError(f"{self._session.name}: is closed")
            if self._queue.qsize() >= self._max_waiting:
                raise StoreBusyError(f"{self._session.name}: {self._max_waiting} writes are waiting")
            self._pending += 1
            self._queue.put(task)

    @property
    def waiting(self) -> int:
        """How many submissions wait."""
        return self._queue.qsize()

    def close(self) -> bool:
        """Finish what was submitted and close the connection; false when it was closed already."""
        with self._lock:
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
                self._done(len(batch))
            if not more:
                return

    def _next_batch(self) -> tuple[list[_Task], bool]:
        item = self._queue.get()
        while isinstance(item, _Begun):  # nothing stands before one: it begins when nothing else is pending
            self._end(item)
            item = self._queue.get()
        batch: list[_Task] = []
        works = 0
        while isinstance(item, _Task):
            batch.append(item)
            works += len(item.works)
            if works >= self._max_batch:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _end(self, begun: _Begun) -> None:
        """Commit what was done elsewhere."""
        error: StoreError | None = None
        try:
            self._session.commit()
        except Exception as cause:  # noqa: BLE001 (whatever it was, every caller must hear of it)
            self._session.rollback()
            error = self._nothing(len(begun.outcomes), cause)
        else:
            self._note(len(begun.outcomes))
        self._done(1)
        if error is None:
            begun.future.set_result(begun.outcomes)
        else:
            begun.future.set_exception(error)

    def _done(self, tasks: int) -> None:
        with self._lock:
            self._pending -= tasks

    def _note(self, works: int) -> None:
        self.statistics.commits += 1
        self.statistics.works += works
        self.statistics.batches.append(works)

    def _commit(self, batch: list[_Task]) -> None:
        wanted = [task for task in batch if task.future.set_running_or_notify_cancel()]
        works = sum(len(task.works) for task in wanted)
        try:
            handle = self._session.begin()
            outcomes = [[self._attempt(handle, work) for work in task.works] for task in wanted]
            self._session.commit()
        except Exception as error:  # noqa: BLE001 (whatever it was, every caller of this batch must hear of it)
            self._session.rollback()
            for task in wanted:
                task.future.set_exception(self._nothing(works, error))
            return
        self._note(works)
        for task, found in zip(wanted, outcomes, strict=True):
            task.answer(found)

    def _attempt_all(self, handle: Handle, works: Sequence[Work[Handle, Any]]) -> list[Outcome]:
        """Do works that may be done again: in one savepoint as long as none fails, else each in its own.

        A savepoint each costs as much as two statements and a copy of every page that changes, and hardly any fails.
        """
        self._session.execute("SAVEPOINT works")
        try:
            outcomes: list[Outcome] = [(work(handle), None) for work in works]
        except Exception:
            if not self._session.in_transaction():
                raise
            self._session.execute("ROLLBACK TO works")
            outcomes = [self._attempt(handle, work) for work in works]
        self._session.execute("RELEASE works")
        return outcomes

    def _attempt(self, handle: Handle, work: Work[Handle, Any]) -> Outcome:
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

    def _nothing(self, works: int, cause: Exception) -> StoreError:
        return self._failure(f"nothing of {works} writes was committed: {cause}", cause)

    def _failure(self, text: str, cause: Exception) -> StoreError:
        failure = StoreError(f"{self._session.name}: {text}")
        failure.__cause__ = cause
        return failure
