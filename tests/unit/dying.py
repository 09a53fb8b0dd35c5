"""Has a process die at its N-th step."""

import os
import signal
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any


def die_at(fatal: int, steps: Iterable[tuple[Any, tuple[str, ...]]]) -> None:
    """From now on every call of these (owner, names) counts before and after itself; at the fatal count, kill -9."""
    taken = count(1)  # steps of several threads each get a number of their own

    def step() -> None:
        if next(taken) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*values: Any, **named: Any) -> Any:
            step()
            result = function(*values, **named)
            step()
            return result

        return wrapper

    for owner, names in steps:
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))
