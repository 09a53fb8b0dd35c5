r"""Where the two parts of updating meet: what the agent asks, and what the part that may install answers.

    updates\job.json             the agent's: what is to be done, with the ministry's documents
    updates\in\, out\            documents that somebody carries (`post`)
    updates\packages\            the agent's: packages, whole once they have their names
    updates\patterns\            the agent's: patterns that came by medium, and the ministry's word on them
    updates\for-hub\             at the ministry: what came by medium, on its way to the hub
    installer\answer.json        the privileged part's: what became of the job
    installer\working.json       the privileged part's: what it is at work on
    installer\patterns.json      the privileged part's: what became of the patterns
    installer\begun.json         the privileged part's: the orders that it began, each with a permit

The agent's account can't write into `installer\`, and nothing in `updates\` is believed: the job's documents are
verified again, and a package counts for its digest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from renkei.agent.files import read_bounded, stage
from renkei.agent.platform import replace, sync_directory
from renkei.exchange.clock import Time
from renkei.exchange.patterns import PATTERNS_FILE

_LIMIT = 256 * 1024
Model = TypeVar("Model", bound=BaseModel)
Doing = Literal["fetch", "install", "restart"]


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Job(_Note):
    """What is to be done: `order` and `permit` are envelopes, `entries` the directory entries of who signed them."""

    doing: Doing
    number: Annotated[int, Field(ge=0, le=100)]
    order: Annotated[str, Field(max_length=_LIMIT)]
    permit: Annotated[str, Field(max_length=_LIMIT)] | None
    entries: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    asked_at: Time


class JobAnswer(_Note):
    """What became of a job: `problem` is empty when nothing went wrong."""

    doing: Doing
    order: str
    number: int
    problem: str


class Working(_Note):
    """The job that is worked on, in which run of Windows, and until when it may last."""

    doing: Doing
    order: str
    number: int
    boot: str
    until: Time


class Begun(_Note):
    """Orders (their payloads' digests) that were begun: they go on without a new permit."""

    orders: Annotated[list[str], Field(max_length=256)]


class PatternsAnswer(_Note):
    """What became of patterns of a version: `problem` is empty when nothing went wrong."""

    version: str
    problem: str
    at: Time


@dataclass(frozen=True, slots=True)
class Places:
    """The folders below the agent's home."""

    home: Path

    @property
    def updates(self) -> Path:
        """The agent's."""
        return self.home / "updates"

    @property
    def packages(self) -> Path:
        """Where packages are brought together."""
        return self.updates / "packages"

    @property
    def arriving(self) -> Path:
        """Where a carrier puts documents for this machine."""
        return self.updates / "in"

    @property
    def leaving(self) -> Path:
        """Where a carrier that made it finds what this machine said."""
        return self.updates / "out"

    @property
    def patterns(self) -> Path:
        """Patterns: at the ministry for media, at an endpoint from one."""
        return self.updates / "patterns"

    @property
    def patterns_answer(self) -> Path:
        """What became of them."""
        return self.installer / PATTERNS_FILE

    @property
    def for_hub(self) -> Path:
        """At the ministry: what came by medium and the hub hasn't got yet."""
        return self.updates / "for-hub"

    @property
    def job(self) -> Path:
        """What is to be done."""
        return self.updates / "job.json"

    @property
    def installer(self) -> Path:
        """The privileged part's."""
        return self.home / "installer"

    @property
    def answer(self) -> Path:
        """What became of the job."""
        return self.installer / "answer.json"

    @property
    def working(self) -> Path:
        """What is worked on."""
        return self.installer / "working.json"

    @property
    def begun(self) -> Path:
        """The orders that were begun."""
        return self.installer / "begun.json"


def read(path: Path, model: type[Model]) -> Model | None:
    """Read a note; None where there is none, and where it isn't one."""
    try:
        content = read_bounded(path, 2 * _LIMIT)
        return None if content is None else model.model_validate_json(content)
    except (OSError, ValidationError):
        return None


def write(path: Path, note: BaseModel) -> None:
    """Let a note take the place of the one before, whole.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.new")
    stage(staged, note.model_dump_json().encode())
    replace(staged, path)
    sync_directory(path.parent)
