"""What the page says, read out of the agent's state: one moment of it, with no personal data."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from renkei.agent import platform, renewal, schedule
from renkei.agent.home import Home, now
from renkei.agent.page.words import ALARMS, UNKNOWN, Advice
from renkei.agent.settings import JST, Link
from renkei.agent.status import REASON_SUFFIX, AlarmStatus, Status, status_of
from renkei.agent.updates import standing as updates
from renkei.agent.updates.patterns import told_of
from renkei.exchange.bindings import BindingError, VerifiedParty
from renkei.exchange.clock import parse_time
from renkei.exchange.update_problems import read
from renkei.store.standings import Standing

LATE = timedelta(minutes=30)
"""How long after its time an exchange may be missing before the page says so: a retry or two belong to any line."""

PATCH_AGE = timedelta(days=35)
"""A month and some days: updates come once a month."""

PATTERNS_LINE_AGE, PATTERNS_MEDIA_AGE = timedelta(days=2), timedelta(days=11)
"""With a line some come every day and are looked at once a day; a medium comes once a week, by way of a weekend."""

ASSETS = Path(__file__).with_name("static")
"""Style and script."""

_EXPIRING = timedelta(days=30)
_FILES_SHOWN = 20


class Verdict(StrEnum):
    """The page's first sentence."""

    GOOD = "good"
    PERSON = "person"
    LATE = "late"
    NOT_ENROLLED = "not_enrolled"


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm with what it means to a clerk, and its text in Japanese where that is known."""

    alarm: AlarmStatus
    advice: Advice
    japanese: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The terminal's certificate; `days` are left (negative: it is over), `renews_on` the day of its renewal."""

    not_after: datetime
    days: int
    renews_on: datetime
    expiring: bool


@dataclass(frozen=True, slots=True)
class Patches:
    """When the operating system's software last changed; `at` is None where this terminal can't tell."""

    at: datetime | None
    days: int | None
    old: bool


@dataclass(frozen=True, slots=True)
class AntivirusPatterns:
    """The antivirus patterns by this machine's last look; `old` past what its kind of link allows.

    `version` and `made_at` are None where its antivirus said nothing of them.
    """

    version: str | None
    made_at: datetime | None
    old: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """What is going to happen to the machine by the ministry's order; times are Japan's.

    `going_on`: it is being installed, or checked; `restarting`: it restarts as soon as the window allows.
    """

    opens: datetime
    closes: datetime
    going_on: bool
    restarting: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The front page; times are in Japan's time.

    Attributes:
        verdict: the first sentence.
        status: as `renkei-agent status` has it.
        last_exchange, next_exchange: None before the first, and on links by medium.
        raised: alarms, each with what to do.
        rejected: reason files that wait for a correction, the first ones, and `status.rejected_files` in all.
        unconfirmed, failed: notices that wait for a clerk's word, or whose import failed.
        to_send, on_the_way, later: files in the outbox; parcels without a receipt; notices that wait for their day.
        held, not_imported: parcels that wait for an earlier one; notices that aren't in the register yet.
        certificate: None before enrolment, or when it isn't good.
        patches: of the operating system.
        patterns: of the antivirus; None where this terminal doesn't look.
        planned: its next update, None where none is ordered.
    """

    verdict: Verdict
    status: Status
    last_exchange: datetime | None
    next_exchange: datetime | None
    raised: tuple[Raised, ...]
    rejected: tuple[str, ...]
    unconfirmed: int
    failed: int
    to_send: int
    on_the_way: int
    later: int
    held: int
    not_imported: int
    certificate: Certificate | None
    patches: Patches
    patterns: AntivirusPatterns | None
    planned: Planned | None

    @property
    def tasks(self) -> int:
        """How many things wait for a person."""
        return len(self.raised) + sum(1 for each in (self.rejected, self.unconfirmed, self.failed) if each)


def overview(home: Home) -> Overview:
    """Read it; a running exchange isn't disturbed."""
    at, status = now(), status_of(home)
    last = parse_time(status.last_exchange_at).astimezone(JST) if status.last_exchange_at else None
    waiting = status.register_waiting
    found = Overview(
        verdict=Verdict.GOOD,
        status=status,
        last_exchange=last,
        next_exchange=None if is_by_medium(home) or not status.enrolled else _next(home, at),
        raised=tuple(map(_raised, status.alarms)),
        rejected=_rejected(home),
        unconfirmed=waiting.get(Standing.UNCONFIRMED, 0),
        failed=waiting.get(Standing.FAILED, 0),
        to_send=status.outbox_files,
        on_the_way=sum(peer.waiting for peer in status.peers),
        later=status.dispatches_waiting,
        held=sum(peer.held for peer in status.peers),
        not_imported=sum(waiting.values()),
        certificate=_certificate(home, at) if status.enrolled else None,
        patches=_patches(at),
        patterns=_patterns(home, at),
        planned=_planned(home, at),
    )
    return _judged(home, found, at)


def _raised(alarm: AlarmStatus) -> Raised:
    told = read(alarm.text)
    return Raised(alarm, ALARMS.get(alarm.kind, UNKNOWN), told.sentence[0] if told else "")


def _judged(home: Home, found: Overview, at: datetime) -> Overview:
    verdict = Verdict.GOOD
    if not found.status.enrolled:
        verdict = Verdict.NOT_ENROLLED
    elif found.tasks:
        verdict = Verdict.PERSON
    elif _is_late(home, found.last_exchange, at):
        verdict = Verdict.LATE
    return replace(found, verdict=verdict)


def _is_late(home: Home, last: datetime | None, at: datetime) -> bool:
    if is_by_medium(home):
        return False
    settings = home.settings.exchange
    due = schedule.last_due(home.party, settings.times, settings.jitter_seconds, at - LATE)
    return last is None or last < due


def _next(home: Home, at: datetime) -> datetime:
    settings = home.settings.exchange
    return schedule.next_due(home.party, settings.times, settings.jitter_seconds, at).astimezone(JST)


def _rejected(home: Home) -> tuple[str, ...]:
    files = sorted(home.settings.rejected.rglob(f"*{REASON_SUFFIX}"))[:_FILES_SHOWN]
    return tuple(path.relative_to(home.settings.rejected).as_posix() for path in files)


def _certificate(home: Home, at: datetime) -> Certificate | None:
    try:
        own: VerifiedParty = home.anchor.verify_entry(home.keys().entry, at, home.party)
    except BindingError:
        return None
    left = own.not_after - at
    renews = renewal.due_at(own)
    return Certificate(own.not_after.astimezone(JST), left.days, renews.astimezone(JST), left < _EXPIRING)


def _patches(at: datetime) -> Patches:
    changed = platform.software_changed_at()
    if changed is None:
        return Patches(None, None, old=False)
    age = at - changed
    return Patches(changed.astimezone(JST), max(age.days, 0), age > PATCH_AGE)


def _patterns(home: Home, at: datetime) -> AntivirusPatterns | None:
    found = told_of(home)
    if found is None:
        return AntivirusPatterns(None, None, old=True) if home.spool.updates.newest() is not None else None
    allowed = PATTERNS_MEDIA_AGE if is_by_medium(home) else PATTERNS_LINE_AGE
    return AntivirusPatterns(found.version, found.made_at.astimezone(JST), at - found.made_at > allowed)


def _planned(home: Home, at: datetime) -> Planned | None:
    order = updates.ordered(home, at)
    if order is None or order.window_opens is None or order.window_closes is None:
        return None
    opens, closes = (parse_time(text).astimezone(JST) for text in (order.window_opens, order.window_closes))
    return Planned(opens, closes, order.step in {"installing", "checking"}, order.step == "restarting")


def is_by_medium(home: Home) -> bool:
    """Whether this endpoint has no line, so that nothing can be exchanged at a button."""
    return home.settings.link is Link.MEDIA
