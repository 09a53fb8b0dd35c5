"""Runs podman with the lab's own settings."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from renkei.lab.errors import LabError

FILES = Path(__file__).parent / "files"

#: What programs need in their environment to reach the lab's containers with plain podman commands.
PODMAN_ENVIRONMENT = {"CONTAINERS_CONF": str(FILES / "containers.conf")}


def podman(*arguments: str, timeout: float = 120, stdin: bytes | None = None) -> str:
    """Run `podman ARGUMENTS` and return its standard output.

    Args:
        arguments: the command and its options; no secret, for every user of the machine can read them.
        timeout: seconds.
        stdin: given to the command.

    Raises:
        LabError: podman is missing, failed or took longer than `timeout`.
    """
    return run(["podman", *arguments], timeout=timeout, stdin=stdin)


def podman_json(*arguments: str) -> list[Any]:
    """Run `podman ARGUMENTS --format json`-like commands and parse the list they print.

    Raises:
        LabError: as `podman`.
    """
    parsed: list[Any] = json.loads(podman(*arguments) or "null") or []
    return parsed


def run(
    argv: Sequence[str],
    *,
    timeout: float = 120,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return its standard output as text.

    Raises:
        LabError: it is missing, failed or took longer than `timeout` seconds; the last lines it wrote are named.
    """
    name = " ".join(argv[:2])
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are this package's own, no shell reads them
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **PODMAN_ENVIRONMENT, **(environment or {})},
            check=False,
        )
    except FileNotFoundError as missing:
        raise LabError(f'the program "{argv[0]}" is missing on this machine: run ./kit env') from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f'"{name}" took longer than {timeout:.0f} seconds') from late
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:] or ["no message"]
        raise LabError(f'"{name}" failed with exit code {done.returncode}: {" / ".join(said)}')
    return done.stdout.decode(errors="replace")
