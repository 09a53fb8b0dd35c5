"""`agent.toml`: what an agent is told about itself, its gateway and its hours.

endpoint = "131041"                  # or "ministry"
terminal = "T-131041-01"
machine_serial = "LAB131041A"
home = "/var/lib/renkei-agent"
trust_anchor = "/etc/renkei/pki/root.pem"
link = "online"                      # online | on_demand | media
layout = "csv-2"                     # of what it gets (docs/interface/README.md); what it sends tells by itself
gateway = "https://gateway.renkei.example:8443"
enrolment = "https://enrolment.renkei.example:8444"
keep_days = 366                      # notices in done/, rejected/ and the ledgers (施行令34条: one year)

[exchange]
times = ["08:45", "12:15", "17:00"]  # JST
jitter_seconds = 300
stable_seconds = 3
mode = "immediate"                   # daily: gathered until the next exchange time
horizon_hours = 24                   # how old the ministry's horizon may be before it is alarmed
crl_grace_days = 4                   # how late the next list of revoked certificates may be; on media 42 by default

[bridge]                             # to the resident register
kind = "folder"                      # folder | media | none
folder = "/srv/renkei-register"      # a share that the register system reads and writes, or a medium's mount point

[page]                               # the clerk's status page (docs/status-page.md), on 127.0.0.1 only
port = 8470
folder = "/var/lib/renkei-page"      # readable by the permitted group and nobody else

[updates]                            # of Windows, by the ministry's orders (docs/updates.md)
reserve_gib = 10                     # what the system's volume must have free before anything is installed
office_hours = "08:30-17:15"         # of a working day; whatever an order says, nothing begins or restarts in them
closed_on = ["sat", "sun"]           # besides the holidays of the law and the year's end

[publish]                            # the ministry only
connector = true                     # horizons follow the connector's mark; without one the outbox is the source
seconds = 300
"""

import datetime as dt
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from renkei.agent import platform
from renkei.domain.layouts import Layout
from renkei.domain.windows import Hours, Rule, Windows
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Mode

JST = dt.timezone(dt.timedelta(hours=9), "JST")
"""Exchange times are Japan's, whatever the machine's time zone; Japan has no summer time."""

_SIZE_LIMIT = 64 * 1024


class SettingsError(ValueError):
    """The settings can't be used; the message lists every fault with its place."""


class Link(StrEnum):
    """How an endpoint is connected."""

    ONLINE = "online"
    ON_DEMAND = "on_demand"
    MEDIA = "media"


_GRACE_DAYS = {Link.ONLINE: 4, Link.ON_DEMAND: 4, Link.MEDIA: 42}


def _gateway_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.username:
        raise ValueError('write it as "https://NAME:PORT"')
    return value.rstrip("/")


def _clock_time(value: object) -> object:
    if isinstance(value, str):
        try:
            return dt.datetime.strptime(value, "%H:%M").time()  # noqa: DTZ007  (a time of day, no moment)
        except ValueError:
            raise ValueError('write a time of day as "HH:MM"') from None
    return value


def _layout(value: object) -> object:
    return Layout.parse(value) if isinstance(value, str) else value


def _hours(value: object) -> object:
    return Hours.parse(value) if isinstance(value, str) else value


def _party(value: str) -> Party:
    return Party(value)


GatewayUrl = Annotated[str, AfterValidator(_gateway_url)]
LayoutName = Annotated[Layout, BeforeValidator(_layout)]
ClockTime = Annotated[dt.time, BeforeValidator(_clock_time)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*$")]


_WEEK: tuple[Weekday, ...] = get_args(Weekday)
_WHOLE_DAY = Hours.parse("00:00-24:00")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class ExchangeSettings(_Settings):
    """When the agent exchanges by itself."""

    times: Annotated[tuple[ClockTime, ...], Field(min_length=1, max_length=96)] = (dt.time(8, 45), dt.time(17, 0))
    jitter_seconds: Annotated[int, Field(ge=0, le=7200)] = 300
    stable_seconds: Annotated[float, Field(ge=0, le=600)] = 3.0
    poll_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    directory_seconds: Annotated[int, Field(ge=0, le=86400)] = 900
    retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    mode: Mode = "immediate"
    horizon_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 24
    reserve_mib: Annotated[int, Field(ge=1, le=1024 * 1024)] = 64
    inbox_files: Annotated[int, Field(ge=1, le=10_000_000)] = 20_000
    crl_grace_days: Annotated[int, Field(ge=1, le=366)] | None = None


class Bridge(StrEnum):
    """How notices get from the terminal into the resident register and back."""

    FOLDER = "folder"
    MEDIA = "media"
    NONE = "none"


class BridgeSettings(_Settings):
    """The way to the resident register; without a bridge the inbox and the outbox are that way."""

    kind: Bridge = Bridge.NONE
    folder: Path | None = None

    @model_validator(mode="after")
    def _has_a_folder(self) -> Self:
        if (self.kind is Bridge.NONE) != (self.folder is None):
            raise ValueError('folder: name it with the bridges "folder" and "media", leave it out with "none"')
        if self.folder is not None and not self.folder.is_absolute():
            raise ValueError("folder: write the whole path, beginning with / or a drive")
        return self


class Scan(StrEnum):
    """Whether a medium is scanned for malware before anything of it is taken."""

    IF_PRESENT = "if_present"
    REQUIRED = "required"
    OFF = "off"


class MediaSettings(_Settings):
    """How removable media are scanned: by which program of ClamAV, with which patterns (empty: the scanner's own)."""

    scan: Scan = Scan.IF_PRESENT
    scanner: Annotated[str, Field(min_length=1, max_length=200)] = "clamscan"
    database: Annotated[str, Field(max_length=200)] = ""


class PublishSettings(_Settings):
    """At the ministry: up to which moment its outbox is complete, and how often that is published."""

    connector: bool = False
    seconds: Annotated[int, Field(ge=1, le=86400)] = 300


class PageSettings(_Settings):
    """The clerk's status page.

    Attributes:
        port: on 127.0.0.1.
        folder: where the file lies that lets somebody in; its permissions say who that is, and its files inherit them.
        session_minutes: how long a browser stays signed in after the last thing that was done in it.
    """

    port: Annotated[int, Field(ge=1024, le=65535)] = 8470
    folder: Path = platform.DEFAULT_PAGE
    session_minutes: Annotated[int, Field(ge=1, le=600)] = 60


class UpdatesSettings(_Settings):
    """What this terminal asks of itself before Windows is updated, besides what the order says.

    Attributes:
        reserve_gib: GiB that the system's volume must have free.
        office_hours: of a working day, in which nothing begins or restarts; None leaves it to the order's windows, as
            where a municipality's own calendar allows maintenance in them.
        closed_on: days of the week that are closing days.
    """

    reserve_gib: Annotated[int, Field(ge=1, le=1024)] = 10
    office_hours: Annotated[Hours | None, BeforeValidator(_hours)] = None
    closed_on: Annotated[tuple[Weekday, ...], Field(max_length=7)] = ("sat", "sun")

    @property
    def own_windows(self) -> Windows | None:
        """All the time that isn't an office hour, by the law's calendar; None where the order's windows alone count."""
        if self.office_hours is None:
            return None
        closed_on = frozenset(_WEEK.index(day) for day in self.closed_on)
        return Windows(Rule(self.office_hours, (_WHOLE_DAY,), (_WHOLE_DAY,), closed_on))

    def against(self, moment: dt.datetime, takes: dt.timedelta) -> str:
        """Say why work of such a length can't begin at a moment, whatever an order's windows are; empty if it can."""
        own = self.own_windows
        if own is None or own.minutes_left(moment) * dt.timedelta(minutes=1) >= takes:
            return ""
        return f"it would reach into the office hours {self.office_hours}"


class Settings(_Settings):
    """All of `agent.toml`; see the module for an example."""

    endpoint: Annotated[Party, BeforeValidator(_party)]
    terminal: Name
    machine_serial: Name
    home: Path = platform.DEFAULT_HOME
    trust_anchor: Path = platform.DEFAULT_ANCHOR
    link: Link = Link.ONLINE
    gateway: GatewayUrl
    enrolment: GatewayUrl
    layout: LayoutName = Layout()
    keep_days: Annotated[int, Field(ge=31, le=36_600)] = 366
    exchange: ExchangeSettings = ExchangeSettings()
    publish: PublishSettings = PublishSettings()
    bridge: BridgeSettings = BridgeSettings()
    media: MediaSettings = MediaSettings()
    updates: UpdatesSettings = UpdatesSettings()
    page: PageSettings | None = None

    @model_validator(mode="after")
    def _is_sender(self) -> Self:
        if self.endpoint in {"hub", "authority"}:
            raise ValueError(f'endpoint: "{self.endpoint}" exchanges no notices; write a six-digit code or "ministry"')
        if self.page is not None and self.is_ministry:
            raise ValueError("page: it is for an endpoint's clerks; leave the table out at the ministry")
        return self

    @property
    def is_ministry(self) -> bool:
        """The ministry's agent keeps a folder for each endpoint, an endpoint's has one correspondent."""
        return self.endpoint == "ministry"

    @property
    def is_offline(self) -> bool:
        """Whether everything comes and goes by medium."""
        return self.link is Link.MEDIA

    @property
    def crl_grace(self) -> dt.timedelta:
        """How late the next list of revoked certificates may be before that is alarmed: by medium it may be weeks."""
        days = self.exchange.crl_grace_days
        return dt.timedelta(days=days if days is not None else _GRACE_DAYS[self.link])

    @property
    def outbox(self) -> Path:
        """Where notices to send are put; for the ministry in a folder named by the recipient's code."""
        return self.home / "outbox"

    @property
    def inbox(self) -> Path:
        """Where received notices appear; for the ministry in a folder named by the sender's code."""
        return self.home / "inbox"

    @property
    def done(self) -> Path:
        """Where a file of the outbox goes once its good rows are on their way."""
        return self.home / "done"

    @property
    def rejected(self) -> Path:
        """Where rejected rows and their reasons wait for a person."""
        return self.home / "rejected"

    @property
    def staging(self) -> Path:
        """Files that are not yet whole; on the same file system as the inbox."""
        return self.home / "staging"

    @property
    def sheets(self) -> Path:
        """Sheets of the notices that wait for a person's word, an HTML file each."""
        return self.home / "confirm"

    @property
    def keys(self) -> Path:
        """The machine's keys, a folder a generation."""
        return self.home / "keys"

    @property
    def roots(self) -> Path:
        """The trust anchor with the roots that succeeded it, once there is one."""
        return self.home / "roots.pem"

    @property
    def crl(self) -> Path:
        """The newest list of revoked certificates, once there is one."""
        return self.home / "crl.pem"

    @property
    def anchor_file(self) -> Path:
        """The roots that TLS trusts."""
        return self.roots if self.roots.exists() else self.trust_anchor

    @property
    def marks_key(self) -> Path:
        """The key of this machine's marks (`renkei.store.marks`)."""
        return self.keys / "marks.key"

    @property
    def database(self) -> Path:
        """The spool."""
        return self.home / "state.db"

    @property
    def request_file(self) -> Path:
        """A clerk's wish for an exchange now: the running service sees the file, takes it and exchanges."""
        return self.home / "exchange-now"

    def make_folders(self) -> None:
        """Make what is missing of the folders under `home`.

        Raises:
            SettingsError: they can't be made.
        """
        try:
            for folder in (self.outbox, self.inbox, self.done, self.rejected, self.staging, self.sheets):
                folder.mkdir(parents=True, exist_ok=True)
            self.keys.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"home: {error.filename} can't be made ({error.strerror}); check its owner") from error


def load(path: Path) -> Settings:
    """Read and validate a settings file.

    Raises:
        SettingsError: not readable, not TOML, or values that can't be; all faults at once.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_SIZE_LIMIT + 1)
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}); give another file with --config") from error
    if len(raw) > _SIZE_LIMIT:
        raise SettingsError(f"{path}: over {_SIZE_LIMIT} bytes; is it the right file?")
    try:
        return Settings.model_validate(tomllib.loads(raw.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        faults = (
            f"{'.'.join(str(part) for part in fault['loc']) or 'file'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_input=False)
        )
        raise SettingsError("\n".join(f"{path}: {fault}" for fault in faults)) from error
