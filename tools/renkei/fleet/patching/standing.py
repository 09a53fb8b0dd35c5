"""Where one machine stands with its updates: a rule over its last word, the catalogue and the clock, and nothing else.

| standing | when |
|---|---|
| `unknown` | no word that counts, one older than the link allows, or no update is for its version of Windows |
| `up_to_date` | it lacks nothing, and its build says so |
| `excepted` | it lacks something, and an approved exception from control 30 covers it |
| `late` | it lacks something whose deadline has passed, wherever it stands in the installation; or its antivirus |
|        | patterns were older than its kind of link allows when it spoke, or its antivirus had said nothing of |
|        | them for as long, and no exception from that covers it |
| `waiting_for_reboot` | it lacks something that is installed but for the restart |
| `due` | it lacks something, and there is time left |

The first that fits counts. What a machine lists as installed counts once its build says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from renkei.exchange.updates import Catalogue, Update
from renkei.store.patch_states import Kept

UNKNOWN_DAYS: Final = 3
"""Days after which an endpoint with a line is silent too long; it says how it is once a day."""
UNKNOWN_MEDIA_DAYS: Final = 11
"""The same of one on media: a week between two media and their way over a weekend, as for patterns in updates.yml."""


PATTERNS_AGE: Final = timedelta(hours=24)
PATTERNS_MEDIA_AGE: Final = timedelta(days=11)
"""How old antivirus patterns may be, with a line and on media; `inventory/updates.yml` says it for a fleet."""


class Standing(StrEnum):
    """Where a machine stands, from the best to what needs a person most."""

    UP_TO_DATE = "up_to_date"
    EXCEPTED = "excepted"
    DUE = "due"
    REBOOT = "waiting_for_reboot"
    LATE = "late"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """0 is the best."""
        return list(Standing).index(self)


@dataclass(frozen=True, slots=True)
class Released:
    """An update of the newest catalogue, when the first one named it, and by when it must be installed."""

    update: Update
    at: datetime
    deadline: datetime
    since: int

    @property
    def version(self) -> str:
        """The version of Windows that it is for: the build's first part."""
        return self.update.build.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the newest catalogue wants; `number` is 0 before the first."""

    number: int
    updates: tuple[Released, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """What the fleet says of a machine: its place, since when it serves, how long it may be silent.

    `patience` is how much later than its deadline a word of before the deadline still passes for good: what an endpoint
    on media has installed in time is known when its medium comes. `patterns` is how old its antivirus patterns may be.
    """

    endpoint: str
    terminal: str
    in_service_on: date
    silent: timedelta
    patience: timedelta
    excepted: bool = False
    patterns: timedelta = PATTERNS_AGE
    patterns_excepted: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where it stands. `deadline` is the earliest of what it lacks, `since` the oldest release among that.

    `alarm` tells whether a person must act now: it is late, or has been silent too long. `unlisted` are updates that it
    misses and no catalogue names. `patterns_old`: its antivirus patterns were too old when it spoke; `patterns_unsaid`:
    its antivirus said nothing of them then, and those of which it spoke last would be too old.
    """

    standing: Standing
    lacks: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    deadline: datetime | None = None
    since: datetime | None = None
    restart: bool = False
    unsupported: bool = False
    alarm: bool = False
    patterns_old: bool = False
    patterns_unsaid: bool = False

    def age_days(self, now: datetime) -> int:
        """For how many whole days the oldest update that it lacks has been there; 0 when it lacks none."""
        return max(0, (now - self.since).days) if self.since else 0


def wanted(catalogues: Iterable[Catalogue], at: datetime, days: int, urgent_days: int) -> Wanted:
    """Return what was wanted at a moment: the catalogue of the highest number that was issued by then.

    An update is as old as the first catalogue that names it, and its deadline counts from there, so that a newer
    catalogue gives nobody more time; one that has become urgent since, counts as urgent.
    """
    known = sorted((each for each in catalogues if each.issued_at <= at), key=lambda each: each.number)
    if not known:
        return Wanted(0, ())
    first: dict[str, Catalogue] = {}
    for catalogue in known:
        for update in catalogue.updates:
            first.setdefault(update.kb, catalogue)
    found = []
    for update in known[-1].updates:
        begin = first[update.kb]
        allowed = timedelta(days=urgent_days if update.urgency == "urgent" else days)
        found.append(Released(update, begin.issued_at, begin.issued_at + allowed, begin.number))
    return Wanted(known[-1].number, tuple(found))


def judge(
    machine: Machine, said: Kept | None, want: Wanted, now: datetime, patterns_before: int | None = None
) -> Judgement:
    """Say where a machine stands.

    Args:
        machine: by the fleet.
        said: its last word up to `now`, or None.
        want: what was wanted then.
        now: aware.
        patterns_before: of a word that says nothing of antivirus patterns, when those were made that the machine spoke
            of last before it (seconds since 1970); None where it never did.
    """
    begun = datetime.combine(machine.in_service_on, datetime.min.time(), now.tzinfo)
    if said is None:
        return Judgement(Standing.UNKNOWN, alarm=now - begun > machine.silent)
    said_at = datetime.fromtimestamp(said.said_at, now.tzinfo)
    lacking = [each for each in want.updates if lacks(said, each, want.number)]
    listed = {each.update.kb for each in want.updates}
    unlisted = tuple(kb for kb in said.missing if kb not in listed)
    unsupported = bool(want.updates) and said.build.partition(".")[0] not in {each.version for each in want.updates}
    restart = bool(lacking) and (
        said.stage == "restarting" or any(each.update.kb in said.installed for each in lacking)
    )
    deadline = min((each.deadline for each in lacking), default=None)
    standing = _standing(machine, lacking, unlisted, said_at, now, restart=restart)
    silent = now - said_at > machine.silent
    made_at = patterns_before if said.patterns_made_at is None else said.patterns_made_at
    since = begun.timestamp() if made_at is None else made_at
    outdated = said.said_at - since > machine.patterns.total_seconds()
    if outdated and not machine.patterns_excepted:
        standing = Standing.LATE
    if silent or unsupported:
        standing = Standing.UNKNOWN
    return Judgement(
        standing=standing,
        lacks=tuple(each.update.kb for each in lacking),
        unlisted=unlisted,
        deadline=deadline,
        since=min((each.at for each in lacking), default=None),
        restart=restart,
        unsupported=unsupported and not silent,
        alarm=standing in {Standing.LATE, Standing.UNKNOWN},
        patterns_old=outdated and said.patterns_made_at is not None,
        patterns_unsaid=outdated and said.patterns_made_at is None,
    )


def lacks(said: Kept, released: Released, number: int) -> bool:
    """Tell whether a machine lacks an update.

    It has it once its build is the update's or a later one of the same version of Windows, unless it says itself that
    it misses it, or was asked before the update was in a catalogue and doesn't list it (at the very build of it).
    """
    version, _, revision = released.update.build.partition(".")
    has_version, _, has_revision = said.build.partition(".")
    if version != has_version:
        return False
    if released.update.kb in said.missing or int(has_revision) < int(revision):
        return True
    asked_before = said.catalogue is not None and said.catalogue < min(number, released.since)
    return int(has_revision) == int(revision) and asked_before and released.update.kb not in said.installed


def _standing(
    machine: Machine,
    lacking: Sequence[Released],
    unlisted: Sequence[str],
    said_at: datetime,
    now: datetime,
    *,
    restart: bool,
) -> Standing:
    if not lacking and not unlisted:
        return Standing.UP_TO_DATE
    if machine.excepted:
        return Standing.EXCEPTED
    for each in lacking:
        grace = timedelta(0) if said_at > each.deadline else machine.patience
        if now > each.deadline + grace:
            return Standing.LATE
    return Standing.REBOOT if restart else Standing.DUE
