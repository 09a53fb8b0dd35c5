"""What the commands of `renkei-agent` share: options, exit codes, and how errors are told."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.cells import cell_len, set_cell_size

from renkei.agent import media, platform
from renkei.agent.contact import HubNotGenuine
from renkei.agent.enrolment import EnrolmentRefused, NeedsCode
from renkei.agent.exchange import Busy
from renkei.agent.home import NotEnrolled
from renkei.agent.register.confirmation import BadReason
from renkei.agent.register.share import ShareAway
from renkei.agent.retirement import StillOwed
from renkei.agent.settings import Settings, SettingsError, load
from renkei.client.errors import GatewayNotTrusted, HubError, HubUnreachable
from renkei.exchange.codes import CodeError
from renkei.exchange.documents import DocumentError
from renkei.exchange.parties import InvalidParty
from renkei.exchange.text import printable
from renkei.store.errors import StoreError
from renkei.store.standings import NotWaiting
from renkei.store.voids import NotVoidable

NEEDS_PERSON, USAGE, UNREACHABLE = 1, 2, 3

Config = Annotated[Path, typer.Option("--config", help="The agent's settings.", envvar="RENKEI_AGENT_CONFIG")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
DEFAULT_CONFIG = platform.DEFAULT_CONFIG
_CODE_LIMIT = 256


@contextmanager
def reported() -> Iterator[None]:
    """Turn what can go wrong into a message and an exit code."""
    try:
        yield
    except (
        SettingsError,
        NeedsCode,
        CodeError,
        InvalidParty,
        BadReason,
        DocumentError,
        media.MediaError,
        StoreError,
    ) as error:
        fail(error, USAGE)
    except (
        EnrolmentRefused,
        NotEnrolled,
        HubNotGenuine,
        GatewayNotTrusted,
        Busy,
        NotWaiting,
        NotVoidable,
        ShareAway,
        StillOwed,
    ) as error:
        fail(error, NEEDS_PERSON)
    except HubUnreachable as error:
        fail(error, UNREACHABLE)
    except HubError as error:
        fail(error, NEEDS_PERSON)


def fail(error: Exception, code: int) -> NoReturn:
    """End with a message and a code."""
    text = "\n".join(map(printable, str(error).split("\n")))
    print(f"renkei-agent: {text}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def settings_of(config: Path) -> Iterator[Settings]:
    """The agent's settings."""
    yield load(config)


def read_code(code_file: Path | None) -> str | None:
    """Read a one-time code from a file, or from standard input for `-`.

    Raises:
        SettingsError: the file can't be read.
    """
    if code_file is None:
        return None
    if str(code_file) == "-":
        return sys.stdin.read(_CODE_LIMIT).strip() or None
    try:
        with code_file.open() as file:
            return file.read(_CODE_LIMIT).strip() or None
    except OSError as error:
        raise SettingsError(f"--code-file: {code_file} can't be read ({error.strerror})") from error


def print_json(document: object) -> None:
    """Print data for programs."""
    print(json.dumps(document, ensure_ascii=False, indent=1))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows in columns as wide as their cells need; a full-width character takes two places, nothing is cut."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in rows]
