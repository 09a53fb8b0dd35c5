"""The hub's settings, `/etc/renkei/hub.toml`. All have defaults that fit docs/topology.md; an empty file is good.

state = "/var/lib/renkei-hub"          # hub.db and keys/
run = "/run/renkei-hub"                # the sockets hub.sock, enrolment.sock, gateway.sock, health.sock
root = "/etc/renkei/pki/root.pem"      # the trust anchor
socket_group = "www-data"              # who besides the hub's user may open hub.sock and enrolment.sock
gateway_group = "renkei-gateway"       # who besides the hub's user may open gateway.sock

[store]                                # without this table: hub.db in the state folder
url = "postgresql://renkei-hub@db1,db2/renkei?sslmode=verify-full"
                                       # libpq's; never with a password: peer, a client certificate or a passfile
owner_url = "postgresql://renkei-owner@/renkei?host=/run/renkei-postgresql"
                                       # who owns the tables, where the primary runs: for migrate and restore alone;
                                       # without it the user of `url` does what they do
synchronous_standby = true             # whether a commit must be on a standby too before the hub answers

[limits]
requests_per_second = 100              # an endpoint's; after `burst` requests at once
burst = 400
ministry_requests_per_second = 2000    # the ministry's and the registration authority's
ministry_burst = 8000
connections = 8192                     # of all listeners together
polls_per_party = 4                    # requests that wait in the inbox
polls = 6000
quota_mib = 256                        # what an endpoint's unreceipted messages may occupy
ministry_quota_mib = 8192
unreceipted_per_stream = 4096          # messages
enrolment_requests_per_minute = 30     # from one address
pending_enrolments = 4000
pending_enrolments_per_address = 64
part_lifetime_hours = 48               # of a part that no message took up
enrolment_lifetime_days = 60
settled_message_days = 366             # how long a message is kept once it has a receipt or void (施行令34条: a year)
reserve_mib = 256                      # stays free on the disk of `state`: below it no parcels are taken
body_seconds = 60                      # for a request's body to arrive
"""

import tomllib
from pathlib import Path
from typing import Annotated

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_MIB = 1024 * 1024
_Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]


class SettingsError(Exception):
    """The settings can't be read; the text names the file, each key, and what it must be."""


class Limits(BaseModel):
    """Bounds on what others can make the hub do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    requests_per_second: _Count = 100
    burst: _Count = 400
    ministry_requests_per_second: _Count = 2000
    ministry_burst: _Count = 8000
    connections: _Count = 8192
    polls_per_party: _Count = 4
    polls: _Count = 6000
    quota_mib: _Count = 256
    ministry_quota_mib: _Count = 8192
    unreceipted_per_stream: _Count = 4096
    enrolment_requests_per_minute: _Count = 30
    pending_enrolments: _Count = 4000
    pending_enrolments_per_address: _Count = 64
    part_lifetime_hours: _Count = 48
    enrolment_lifetime_days: _Count = 60
    settled_message_days: Annotated[int, Field(strict=True, ge=31, le=36_600)] = 366
    reserve_mib: _Count = 256
    body_seconds: _Count = 60


class StoreSettings(BaseModel):
    """The PostgreSQL database that several hubs share."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    owner_url: str | None = None
    synchronous_standby: bool = True

    @property
    def user(self) -> str:
        """As whom the hub is in the database."""
        return str(conninfo_to_dict(self.url).get("user", ""))

    @field_validator("url", "owner_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        try:
            found = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ValueError(f"is no URL of PostgreSQL: {str(error).strip()}") from None
        if found.get("password"):
            raise ValueError("has a password, which doesn't belong here; use a client certificate, peer or a passfile")
        return url


class Settings(BaseModel):
    """Where the hub's things lie, and its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Path = Path("/var/lib/renkei-hub")
    run: Path = Path("/run/renkei-hub")
    root: Path = Path("/etc/renkei/pki/root.pem")
    socket_group: str | None = None
    gateway_group: str | None = None
    store: StoreSettings | None = None
    limits: Limits = Limits()

    @property
    def database(self) -> Path:
        """The store's file, where the store isn't PostgreSQL."""
        return self.state / "hub.db"

    @property
    def keys(self) -> Path:
        """The folder of the hub's own keys."""
        return self.state / "keys"

    def quota(self, *, ministry: bool) -> int:
        """Return how many bytes a sender may hold in the hub."""
        return (self.limits.ministry_quota_mib if ministry else self.limits.quota_mib) * _MIB


def read_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        SettingsError: it isn't there, isn't TOML, or has unknown keys or wrong values; all of them are named.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = []
        for found in error.errors(include_url=False):
            key = ".".join(str(part) for part in found["loc"])
            known = "is no setting" if found["type"] == "extra_forbidden" else found["msg"]
            lines.append(f"{path}: {key}: {known}")
        raise SettingsError("\n".join(lines)) from error
