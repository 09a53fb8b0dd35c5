"""Has a process die at its N-th step."""

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any


def die_at(fatal: int, steps: Iterable[tuple[Any, tuple[str, ...]]]) -> None:
    """From now on every call of these (owner, names) counts before and after itself; at the fatal count, kill -9."""
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1
        if taken == fatal:
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
