"""The settings of the linkage host, `/etc/renkei/ministry.toml`.

A table for each program; every value has the production default, so the file names only what differs:

    [hub]
    url = "https://gateway.asp.example:8443"

    [authority]
    poll_seconds = 5

    [connector]
    settle_seconds = 2
    layout = "xml-2"
"""

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from renkei.domain.layouts import Layout
from renkei.ministry.files import FileRefusedError, read_bounded
from renkei.ministry.merge import Terms

DEFAULT_PATH = Path("/etc/renkei/ministry.toml")

_MAX_SETTINGS = 64 * 1024
_MAX_TERMINALS = 16 * 1024 * 1024


class SettingsError(Exception):
    """A settings file can't be used; the message names the file, the item and what is wrong with it."""


def _layout(value: object) -> object:
    return Layout.parse(value) if isinstance(value, str) else value


LayoutName = Annotated[Layout, BeforeValidator(_layout)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSettings(_Table):
    """Where the hub's exchange listener is."""

    url: Annotated[str, Field(pattern=r"^https://[^\s/]+$")] = "https://gateway:8443"
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30


class AuthoritySettings(_Table):
    """The registration authority: its state, its trust anchor, its snapshot of the inventory, its terms.

    The list of revoked certificates is signed anew every day and at each revocation; each promises the next within
    `crl_days`.
    """

    state: Path = Path("/var/lib/renkei-authority")
    terminal: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] = "linkage"
    root: Path = Path("/etc/renkei/pki/root.pem")
    terminals: Path = Path("/etc/renkei/terminals.json")
    poll_seconds: Annotated[float, Field(ge=0.05, le=3600)] = 5
    certificate_days: Annotated[int, Field(ge=1, le=398)] = 398
    crl_days: Annotated[int, Field(ge=1, le=90)] = 3


class ConnectorSettings(_Table):
    """The connector between the immigration system's drop and the ministry's agent.

    A move in waits `crossing_hours` for the move out at most, anything else `held_days`; what is about somebody whom
    the immigration system doesn't know is an alarm after `unknown_days`, a file that it doesn't fetch after
    `uncollected_hours` (none is ever removed). All else goes after `keep_days` (施行令34条).
    """

    drop: Path = Path("/srv/renkei-drop")
    agent: Path = Path("/var/lib/renkei-agent")
    state: Path = Path("/var/lib/renkei-connector")
    terminals: Path = Path("/etc/renkei/terminals.json")
    poll_seconds: Annotated[float, Field(ge=0.05, le=3600)] = 2
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 2
    layout: LayoutName = Layout()
    crossing_hours: Annotated[float, Field(ge=0, le=24 * 31)] = 24
    held_days: Annotated[float, Field(ge=0, le=31)] = 7
    unknown_days: Annotated[float, Field(gt=0, le=31)] = 3
    uncollected_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 24
    keep_days: Annotated[int, Field(ge=1, le=3660)] = 365

    @property
    def database(self) -> Path:
        """The record of what was handed over, and of what waits."""
        return self.state / "handover.db"

    @property
    def terms(self) -> Terms:
        """How long a notice waits for another (docs/order.md)."""
        return Terms(timedelta(hours=self.crossing_hours), timedelta(days=self.held_days))


class Settings(_Table):
    """The whole file."""

    hub: HubSettings = HubSettings()
    authority: AuthoritySettings = AuthoritySettings()
    connector: ConnectorSettings = ConnectorSettings()


class RegisteredTerminal(BaseModel):
    """A row of the inventory snapshot: a machine that may serve an endpoint. What else the row says is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    asset_number: str
    endpoint: str
    machine_serial: str
    state: str
    replaces: str = ""
    """The asset number of the machine whose place it takes."""
    place: str = ""
    """How addresses there begin: prefecture and name, of a ward after its city's."""


_TERMINALS = TypeAdapter(list[RegisteredTerminal])


def load_settings(path: Path) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the file can't be read, isn't TOML, or has an item that is unknown or out of bounds.
    """
    try:
        return Settings.model_validate(tomllib.loads(read_bounded(path, _MAX_SETTINGS).decode()))
    except (OSError, FileRefusedError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {_first_finding(error)}") from error


def load_terminals(path: Path) -> list[RegisteredTerminal]:
    """Read the inventory snapshot: a JSON list of objects with `asset_number`, `endpoint`, `machine_serial`, `state`.

    Raises:
        SettingsError: it can't be read or a row lacks one of them.
    """
    try:
        return _TERMINALS.validate_python(json.loads(read_bounded(path, _MAX_TERMINALS)))
    except (OSError, FileRefusedError, ValueError) as error:
        text = _first_finding(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(f"{path}: {text}") from error


def _first_finding(error: ValidationError) -> str:
    finding = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in finding['loc'])}: {finding['msg']}"
