"""What the service is doing just now, for whoever asks from another thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Doing:
    """`exchanging`: an exchange is going on; `finished`: how many have ended; `failed`: the last one broke off."""

    exchanging: bool = False
    finished: int = 0
    failed: bool = False


class Activity:
    """The service notes its exchanges here."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self._lock = threading.Lock()
        self._doing = Doing()

    @property
    def now(self) -> Doing:
        """What is being done, all of it from one moment."""
        with self._lock:
            return self._doing

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Note an exchange from its beginning to its end, or to what breaks it off."""
        self._note(exchanging=True, ended=0, failed=self._doing.failed)
        failed = True
        try:
            yield
            failed = False
        finally:
            self._note(exchanging=False, ended=1, failed=failed)

    def _note(self, *, exchanging: bool, ended: int, failed: bool) -> None:
        with self._lock:
            finished = self._doing.finished + ended
            self._doing = replace(self._doing, exchanging=exchanging, finished=finished, failed=failed)
