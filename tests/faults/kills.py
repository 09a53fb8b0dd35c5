"""kill -9 at system calls: a process of the kit dies at the n-th call of a kind, by strace's injection.

    points = every_point(calls)            # from a run that was only counted
    with running(program, names, kill_at=points[0]) as process: ...

strace counts for each thread by itself: the first thread that comes to its n-th call of the kind dies there, before the
kernel does anything, and the whole process with it.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from unit.agent.conftest import PROCESSES

WRITING = (
    *("write", "writev", "pwrite64", "sendto", "sendmsg", "fsync", "fdatasync", "ftruncate", "fallocate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "link", "symlink"),
)
"""System calls after which something is different for others, or after a restart."""

EXCHANGE = (
    "import sys; sys.argv = ['renkei-agent', 'exchange', '--config', config];from renkei.cli.agent import main; main()"
)
SERVE = (
    "import asyncio; from pathlib import Path; from renkei.hub.server import serve;"
    "from renkei.hub.settings import read_settings; asyncio.run(serve(read_settings(Path(config))))"
)

_BEGIN = (
    "import os; gate.recv(); log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND);"
    "os.dup2(log, 1); os.dup2(log, 2);"
)


@dataclass(frozen=True, order=True)
class Point:
    """The n-th call of a kind in one thread."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


def count_calls(trace: Path) -> Counter[str]:
    """The calls that strace wrote down: for each kind, how many the thread made that made the most."""
    made = Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    most: Counter[str] = Counter()
    for (_, call), number in made.items():
        most[call] = max(most[call], number)
    return most


def every_point(calls: Counter[str]) -> list[Point]:
    """All points of a run, by kind and number."""
    return [Point(call, number) for call in sorted(calls) for number in range(1, calls[call] + 1)]


def stratified(calls: Counter[str], wanted: int) -> list[Point]:
    """`wanted` points, spread evenly within each kind; the more a kind is called the more it has, and at least one."""
    shares = dict.fromkeys(sorted(calls), 1)
    while sum(shares.values()) < wanted:
        needy = max(
            calls, key=lambda call: (calls[call] / (shares[call] + 0.5) if shares[call] < calls[call] else 0, call)
        )
        if shares[needy] >= calls[needy]:
            break
        shares[needy] += 1
    spread = (
        [Point(call, 1 + (2 * k + 1) * calls[call] // (2 * share)) for k in range(share)]
        for call, share in shares.items()
    )
    return list(chain.from_iterable(spread))


@contextmanager
def running(
    program: str, config: Path, *, trace: Path | None = None, inject: Sequence[str] = ()
) -> Iterator[BaseProcess]:
    """A process that runs `program` under strace from its first line on; killed at the end if it still runs.

    Args:
        program: Python source that uses the name `config`.
        config: the settings file; what the process says goes into a file beside it.
        trace: where its writing calls are written down.
        inject: what strace does to which calls, as its option `-e inject` has it.
    """
    gate, opener = PROCESSES.Pipe(duplex=False)
    names: dict[str, Any] = {"config": str(config), "gate": gate, "said": str(config.with_suffix(".log"))}
    process = PROCESSES.Process(target=exec, args=(_BEGIN + program, names), daemon=True)
    process.start()
    calls = {each.split(":")[0] for each in inject} or {",".join(WRITING)}
    injections = [f"--inject={each}" for each in inject]
    out = str(trace) if trace else "/dev/null"
    command = ["strace", "-f", "-p", str(process.pid), "-o", out, f"--trace={','.join(sorted(calls))}", *injections]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        assert "attached" in said, said
        opener.send("go")
        yield process
    finally:
        process.kill()
        process.join(10)
        strace.wait(10)
        strace.stderr.close()
        opener.close()
        gate.close()


def kill(point: Point) -> str:
    """The injection that kills at a point."""
    return f"{point.call}:signal=KILL:when={point.number}"
