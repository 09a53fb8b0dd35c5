"""Where Linux hosts and network devices stand: what was seen on each, held against package sets and known firmware.

The same standings as of machines (`standing`), by the same deadlines: those of a package count from the first set that
wants a newer version than the host has, those of firmware from the day of the advisory.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

from renkei.domain.windows import JST
from renkei.exchange.documents import payload_sha256
from renkei.exchange.errors import ExchangeError
from renkei.exchange.packages import HostState, PackageSet
from renkei.exchange.signed import Signed
from renkei.fleet.controls.exceptions import ControlException
from renkei.fleet.hosts.firmware import Advisory, Model
from renkei.fleet.hosts.resolve import version_key
from renkei.fleet.model import Fleet, Host, Part
from renkei.fleet.patching.intake import Believer
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.survey import CONTROLS
from renkei.fleet.signed import read_signed


@dataclass(frozen=True, slots=True)
class Seen:
    """What the controller signed of a host, with the SHA-256 of that; or why it can't be believed."""

    state: HostState | None
    evidence_sha256: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host. `lacks` are packages as NAME=VERSION; `version_days` is the age of its system or firmware, if known.

    `fix` is the first version with every fix that is asked for. `deadline` is the earliest of what it lacks or is asked
    for. `unlisted`: its model or version isn't in inventory/firmware.yml; what is asked of its model is asked of it,
    unless its order shows that it has the fix.
    """

    host: Host
    seen: Seen
    standing: Standing
    lacks: tuple[str, ...] = ()
    asked: tuple[Advisory, ...] = ()
    fix: str = ""
    newest: str = ""
    version_days: int | None = None
    unlisted: bool = False
    deadline: datetime | None = None
    exception: ControlException | None = None

    @property
    def alarm(self) -> bool:
        """Whether a person must act now."""
        return self.standing in {Standing.LATE, Standing.UNKNOWN}


@dataclass(frozen=True)
class HostReport:
    """The answer for all hosts but terminals, in the fleet's order; `number` is the newest package set's, or 0."""

    at: datetime
    number: int
    rows: tuple[HostRow, ...] = field(repr=False)

    @cached_property
    def counts(self) -> Counter[Standing]:
        """How many stand where."""
        return Counter(row.standing for row in self.rows)

    @cached_property
    def by_part(self) -> dict[str, Counter[Standing]]:
        """How many of each part stand where."""
        found: dict[str, Counter[Standing]] = {}
        for row in self.rows:
            found.setdefault(row.host.part.value, Counter())[row.standing] += 1
        return found

    @cached_property
    def act_on(self) -> list[HostRow]:
        """Who needs a person, late ones first, each by deadline."""
        far = datetime.max.replace(tzinfo=UTC)
        urgent = [row for row in self.rows if row.alarm]
        return sorted(urgent, key=lambda row: (row.standing is not Standing.LATE, row.deadline or far, row.host.name))

    @property
    def by_urgency(self) -> list[HostRow]:
        """All of them, first those who need a person, then by standing."""
        others = [row for row in self.rows if not row.alarm]
        return [*self.act_on, *sorted(others, key=lambda row: -row.standing.rank)]


@dataclass(frozen=True, slots=True)
class Rule:
    """By what hosts are judged: sets by number, firmware by model, days of deadlines and of silence."""

    sets: tuple[PackageSet, ...]
    firmware: Mapping[str, Model]
    days: int
    urgent_days: int
    unknown_days: int

    def until(self, begin: datetime, *, urgent: bool) -> datetime:
        """Return the deadline of what is wanted since a moment."""
        return begin + timedelta(days=self.urgent_days if urgent else self.days)


def read_seen(folder: Path, believer: Believer, now: datetime) -> dict[str, Seen]:
    """Read what the controller signed of hosts: a file `HOST.json` a host, each verified from the root down.

    Raises:
        OSError: a file can't be read.
    """
    found = {}
    for file in sorted(folder.glob("[!.]*.json")):
        try:
            signed = read_signed(file)
            state = open_state(signed, believer, now)
            found[file.stem] = (
                Seen(state, payload_sha256(signed.envelope))
                if state.host == file.stem
                else Seen(None, refused=f"it is about {state.host}")
            )
        except ExchangeError as error:
            found[file.stem] = Seen(None, refused=str(error))
    return found


def survey_hosts(
    fleet: Fleet, seen: Mapping[str, Seen], rule: Rule, exceptions: Sequence[ControlException], at: datetime
) -> HostReport:
    """Judge every host of the fleet that isn't a terminal."""
    today = at.astimezone(JST).date()
    relevant = [each for each in exceptions if each.control in CONTROLS and today <= each.until]
    rows = [
        judge_host(host, seen.get(host.name, Seen(None)), rule, at, next((e for e in relevant if e.covers(host)), None))
        for host in fleet.hosts.values()
        if host.part is not Part.TERMINAL
    ]
    return HostReport(at, rule.sets[-1].number if rule.sets else 0, tuple(rows))


def judge_host(host: Host, seen: Seen, rule: Rule, at: datetime, exception: ControlException | None = None) -> HostRow:
    """Say where a host stands."""
    state = seen.state
    if state is None:
        return HostRow(host, seen, Standing.UNKNOWN)
    lacks, wants = _lacking(state.held, rule)
    model = rule.firmware.get(state.device.model)
    version = state.device.version
    asked = model.asks(version) if model else ()
    wants += [rule.until(_begin(each.since), urgent=each.urgent) for each in asked]
    released = model.released.get(version) if model else None
    deadline = min(wants, default=None)
    return HostRow(
        host=host,
        seen=seen,
        standing=_standing(state, deadline, rule, at, excepted=exception is not None),
        lacks=lacks,
        asked=asked,
        fix=model.fix_of(asked) if model else "",
        newest=model.newer_than(version) if model else "",
        version_days=(at.astimezone(JST).date() - released).days if released else None,
        unlisted=released is None,
        deadline=deadline,
        exception=exception,
    )


def _standing(state: HostState, deadline: datetime | None, rule: Rule, at: datetime, *, excepted: bool) -> Standing:
    if at - state.seen_at > timedelta(days=rule.unknown_days):
        return Standing.UNKNOWN
    if deadline is None:
        return Standing.REBOOT if state.restart else Standing.UP_TO_DATE
    if excepted:
        return Standing.EXCEPTED
    return Standing.LATE if at > deadline else Standing.DUE


def _lacking(held: Mapping[str, str], rule: Rule) -> tuple[tuple[str, ...], list[datetime]]:
    """Return what a host has at an older version than a set wants, and until when each was wanted."""
    newest: dict[str, str] = {}
    wants = []
    for each in rule.sets:
        for package in each.packages:
            has = held.get(package.name)
            if has is not None and version_key(has) < version_key(package.version):
                newest[package.name] = package.version
                wants.append(rule.until(each.issued_at, urgent=package.urgency == "urgent"))
    return tuple(f"{name}={newest[name]}" for name in sorted(newest)), wants


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), JST)


def open_state(signed: Signed, believer: Believer, now: datetime) -> HostState:
    """Return what was seen on a host, once it is the authority's word.

    Raises:
        ExchangeError: it isn't.
    """
    return believer.of_authority(signed, HostState, lambda said: min(said.seen_at, now))


def in_order(sets: Iterable[PackageSet], at: datetime) -> tuple[PackageSet, ...]:
    """Return the sets that were issued by a moment, in the order of their numbers."""
    return tuple(sorted((each for each in sets if each.issued_at <= at), key=lambda each: each.number))
