"""Sorts notices of many people into few files of one type, so that each person's stay in order from file to file."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Key = tuple[int, bool]


def runs(people: Iterable[Sequence[T]], key: Callable[[T], Key]) -> Iterator[tuple[Key, list[T]]]:
    """Take, again and again, all that comes next in its person's sequence and has the same key.

    Args:
        people: the sequences, one a person.
        key: of what may be in one file.

    Yields:
        the key of a file and what is in it; the files' order is that of each person.
    """
    queues = [deque(each) for each in people]
    while queues := [queue for queue in queues if queue]:
        for wanted in sorted({key(queue[0]) for queue in queues}):
            found = []
            for queue in queues:
                while queue and key(queue[0]) == wanted:
                    found.append(queue.popleft())
            if found:
                yield wanted, found
