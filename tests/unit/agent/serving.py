"""The agent's service as a process of its own."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from renkei.agent.home import Home

PROGRAM = (
    "import sys; sys.argv = ['renkei-agent', 'serve', '--config', config]; from renkei.cli.agent import main; main()"
)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.05)


@contextmanager
def serving(fleet: Any, home: Home, **exchange: int) -> Iterator[BaseProcess]:
    """The service; `exchange` are settings of it that take the place of the tests' usual ones."""
    config = fleet.write_config(home)
    for name, value in exchange.items():
        config.write_text(re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", config.read_text()))
    process = fleet.processes.Process(target=exec, args=(PROGRAM, {"config": str(config)}), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(10)
