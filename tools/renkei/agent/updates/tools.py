"""The programs by which a system is updated: their command lines, as `renkei.agent.platform` knows them."""

import json
import subprocess
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from renkei.agent.updates.machine import MAX_INSTALLED, MachineError, Survey
from renkei.exchange.patterns import PatternState
from renkei.exchange.text import printable

_ANSWER_SECONDS = 300.0
_ANSWER_LIMIT = 4 * 1024 * 1024
_TAIL = 300


@dataclass(frozen=True, slots=True)
class Tools:
    """The beginnings of command lines.

    Attributes:
        survey: prints what the machine is, as JSON (`windows/Get-UpdateState.ps1`).
        source: searches, downloads and installs from Windows' own update source (`windows/Install-FromSource.ps1`).
        dism: Windows' servicing program.
        patterns: installs a package of antivirus patterns (`windows/Install-Patterns.ps1`).
        restart: Windows' shutdown program.
        begin: lets the privileged part begin (`renkei-agent install-updates`), and returns at once.
    """

    survey: tuple[str, ...]
    source: tuple[str, ...]
    dism: tuple[str, ...]
    restart: tuple[str, ...]
    begin: tuple[str, ...]
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A program's exit code, and what it printed."""

    code: int
    text: str

    @property
    def tail(self) -> str:
        """The end of what it printed, on one line: where programs say what went wrong."""
        return " ".join(printable(self.text).split())[-_TAIL:]


class _Surveyed(BaseModel):
    """What `Get-UpdateState.ps1` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    build: str = Field(pattern=r"^[1-9][0-9]{3,5}\.[0-9]{1,5}$")
    installed: list[str] = Field(max_length=MAX_INSTALLED)
    free_bytes: int = Field(ge=0)
    on_mains: bool
    restart_pending: bool
    boot: str = Field(min_length=1, max_length=64)
    patterns: dict[str, str] | None = None


def run(command: tuple[str, ...], *arguments: str, seconds: float = _ANSWER_SECONDS) -> Answer:
    """Run a program to its end.

    Args:
        command: its beginning.
        arguments: the rest.
        seconds: how long it may take.

    Raises:
        MachineError: it isn't there or doesn't end in its time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the system's own programs, arguments without a shell
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]} can't be run: {error}") from error
    return Answer(done.returncode, done.stdout[-_ANSWER_LIMIT:].decode("utf-8", "replace"))


def survey(tools: Tools) -> Survey:
    """Look at the machine.

    Raises:
        MachineError: it can't be asked, or what it says isn't in its form.
    """
    answer = run(tools.survey)
    if answer.code:
        raise MachineError(f"the machine can't be looked at, code {answer.code}: {answer.tail}")
    try:
        found = _Surveyed.model_validate(json.loads(answer.text))
    except (ValueError, ValidationError) as error:
        raise MachineError(f"what the machine says of itself isn't in its form: {answer.tail}") from error
    kbs = tuple(sorted(set(found.installed)))
    base = (found.build, kbs, found.free_bytes, found.on_mains, found.restart_pending, found.boot)
    return Survey(*base, _patterns(found.patterns))


def _patterns(found: dict[str, str] | None) -> PatternState | None:
    """Read what the antivirus says; one that was never fed says nothing that has the form."""
    try:
        return None if found is None else PatternState.model_validate(found)
    except ValidationError:
        return None
