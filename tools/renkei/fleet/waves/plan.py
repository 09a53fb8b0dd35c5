"""The plan of a wave: which machine does what, in which group, in which windows; fixed once it is signed.

Groups follow one another, each begins when the one before has had its turn: terminals at the staging bench where they
are wanted, the rings in the order of `fleet.yml`, then the endpoints on media, which no halt can reach once their
orders are on the way. A ring waits the days that `maintenance.ring_days` gives it; urgent updates wait for nothing but
the group before. At the bench nobody sits at a machine, so it may be worked on at any time.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from renkei.domain.halting import Fault, HaltingRule
from renkei.exchange.clock import Time, whole_seconds
from renkei.exchange.documents import MAX_ENVELOPE, canonical
from renkei.exchange.errors import misfits
from renkei.exchange.packages import MAX_PACKAGES, Package
from renkei.exchange.parties import Party, TerminalName
from renkei.exchange.payloads import Digest, Identifier
from renkei.exchange.updates import MAX_WINDOWS, Action, Catalogue, Person, Update, Window
from renkei.fleet.endpoints import Link
from renkei.fleet.model import Fleet, Part
from renkei.fleet.terminals import State

MEDIA_GROUP: Final = "media"
BENCH_GROUP: Final = "bench"
MAX_PLAN = 16 * 1024 * 1024
_NAMED: Final = 20
_PACKAGES_FIT: Final = MAX_ENVELOPE * 3 // 4 - 6 * 1024
"""Bytes: what is left of an order's envelope, whose payload is in base64, beside up to 31 windows."""

WindowsOf = Callable[[str, datetime, datetime], Sequence[tuple[datetime, datetime]]]
"""(a site's key, from, until) → its maintenance windows between the two, in order."""


class PlanError(ValueError):
    """A wave that can't be planned, or a plan that can't be read; the message says why and what to change."""


class _Fixed(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class PlannedHost(_Fixed):
    """A machine in its place in the wave; `direct` is its name in the inventory where Ansible reaches it itself."""

    endpoint: Party
    terminal: TerminalName
    model: str
    group: str
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)]
    direct: TerminalName | None = None


class Halting(_Fixed):
    """The halting rule in whole numbers: what planner and approver agree to."""

    accepted_per_mille: dict[Literal["failed", "unreachable", "not back", "no exchange"], int]
    false_halt_per_mille: int
    first: int
    most: int

    def rule(self, models: Sequence[str]) -> HaltingRule:
        """Return the rule.

        Raises:
            ValueError: see `HaltingRule`.
        """
        accepted = {Fault(fault): value / 1000 for fault, value in self.accepted_per_mille.items()}
        return HaltingRule(tuple(models), accepted, self.false_halt_per_mille / 1000, self.first, self.most)

    @classmethod
    def of(cls, rule: HaltingRule) -> Self:
        """Write a rule in whole numbers."""
        accepted = {fault.value: round(1000 * rate) for fault, rate in rule.accepted.items()}
        return cls.model_validate(
            {
                "accepted_per_mille": accepted,
                "false_halt_per_mille": round(1000 * rule.false_halt),
                "first": rule.first,
                "most": rule.most,
            }
        )


class Plan(_Fixed):
    """What one wave does. `minutes` a machine needs of a window; it is overdue `overdue_minutes` after its permit."""

    id: Identifier
    action: Action
    catalogue: Annotated[int, Field(ge=1)]
    catalogue_sha256: Digest
    updates: list[Update]
    packages: Annotated[list[Package], Field(max_length=MAX_PACKAGES)] = []
    planner: Person
    made_at: Time
    minutes: Annotated[int, Field(ge=10, le=600)]
    overdue_minutes: Annotated[int, Field(ge=20, le=1440)]
    halting: Halting
    hosts: Annotated[list[PlannedHost], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        names = [host.terminal for host in self.hosts]
        if len(set(names)) != len(names):
            raise ValueError("a terminal stands in the plan twice")
        reached = [host.direct for host in self.hosts if host.direct]
        if len(set(reached)) != len(reached):
            raise ValueError("a machine of the inventory stands in the plan twice")
        if bool(self.updates) == bool(self.packages):
            raise ValueError("a wave has either updates of Windows or packages")
        if len(canonical({"packages": [package.model_dump() for package in self.packages]})) > _PACKAGES_FIT:
            raise ValueError("so many packages don't fit into an order; divide them among several waves")
        self.rule()
        return self

    @property
    def models(self) -> list[str]:
        """The models of its machines, sorted."""
        return sorted({host.model for host in self.hosts})

    @property
    def groups(self) -> list[str]:
        """Its groups in their order."""
        return list(dict.fromkeys(host.group for host in self.hosts))

    @property
    def terminals(self) -> list[str]:
        """The names of its machines, in their order."""
        return [host.terminal for host in self.hosts]

    @property
    def size(self) -> int:
        """The bytes that each machine has to fetch, at most."""
        if self.action == "uninstall":
            return 0
        return sum(update.size for update in self.updates) + sum(package.size for package in self.packages)

    def rule(self) -> HaltingRule:
        """Return the halting rule of this wave."""
        return self.halting.rule(self.models)

    def to_bytes(self) -> bytes:
        """Write it in canonical form (RFC 8785), what its digest is of; what has its default value isn't in it."""
        return canonical(self.model_dump(mode="json", exclude_defaults=True))

    @property
    def sha256(self) -> str:
        """The digest that planner and approver sign."""
        return sha256(self.to_bytes()).hexdigest()

    @classmethod
    def read(cls, text: bytes) -> "Plan":
        """Read a plan.

        Raises:
            PlanError: it isn't one; the text names what is wrong.
        """
        if len(text) > MAX_PLAN:
            raise PlanError(f"a plan has at most {MAX_PLAN} bytes")
        try:
            return cls.model_validate(json.loads(text))
        except ValidationError as error:
            raise PlanError(f"the plan can't be read: {misfits(error, 'plan')}") from None
        except (ValueError, RecursionError):
            raise PlanError("the plan is not JSON") from None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done.

    Attributes:
        kbs: what to install (with what it requires) or to uninstall (alone).
        planner: who plans it.
        action: install or uninstall.
        rings: the rings that take part, all of the fleet's when empty.
        by_medium: endpoints whose line is down: they alone take part, by orders that need no permit, on media.
        days: how far ahead windows are taken; who isn't done by then is left to the next wave.
        minutes: what a machine needs of a window.
        overdue_minutes: when a machine that began counts as fallen out.
        bench: whether terminals at the staging bench (`staged`) come first, or are the only ones; None for neither.
    """

    kbs: tuple[str, ...]
    planner: str
    action: Action = "install"
    rings: tuple[str, ...] = ()
    days: int = 14
    minutes: int = 60
    overdue_minutes: int = 120
    by_medium: tuple[str, ...] = ()
    bench: Literal["first", "only"] | None = None


def make_plan(
    wish: Wish, fleet: Fleet, catalogue: tuple[Catalogue, str], windows_of: WindowsOf, wave: UUID, now: datetime
) -> Plan:
    """Plan a wave over the machines in service, and over those at the staging bench if they are wanted.

    Args:
        wish: what to do.
        fleet: whose machines.
        catalogue: what there is, and the digest of its document's payload.
        windows_of: the maintenance windows of an endpoint.
        wave: the id of the new wave.
        now: aware.

    Raises:
        PlanError: an unknown ring or endpoint, or endpoints without a window that is long enough; all are named.
        DocumentError: an update that the catalogue doesn't have.
    """
    known = fleet.settings.rings
    if unknown := [ring for ring in wish.rings if ring not in known]:
        raise PlanError(f"the fleet has no ring {', '.join(unknown)}; it has {', '.join(known)}")
    served = {site.key for site in fleet.sites.values() if site.endpoint}
    if strangers := [code for code in wish.by_medium if code not in served]:
        raise PlanError(f"the fleet has no endpoint {', '.join(strangers)}; `renkei inventory list` shows them")
    if wish.bench and wish.by_medium:
        raise PlanError("terminals at the staging bench have no line that could be down: plan a wave of their own")
    updates = catalogue[0].chosen(wish.kbs)
    if wish.action == "uninstall":
        updates = [update for update in reversed(updates) if update.kb in wish.kbs]
    hosts: list[PlannedHost] = []
    without: list[str] = []
    urgent = any(update.urgency == "urgent" for update in updates)
    if wish.bench:
        hosts += _at_the_bench(fleet, wish, now)
    machines = _machines(fleet, wish.rings or known, wish.by_medium) if wish.bench != "only" else ()
    for ring, endpoint, model, terminal, group in machines:
        begin = now if urgent else now + timedelta(days=fleet.settings.maintenance.ring_days[ring])
        windows = [
            Window(opens=whole_seconds(opens), closes=whole_seconds(closes))
            for opens, closes in windows_of(endpoint, begin, max(begin, now + timedelta(days=wish.days)))
            if closes - opens >= timedelta(minutes=wish.minutes)
        ][:MAX_WINDOWS]
        if windows:
            host = PlannedHost(endpoint=Party(endpoint), terminal=terminal, model=model, group=group, windows=windows)
            hosts.append(host)
        else:
            without.append(endpoint)
    if without:
        some = ", ".join(without[:_NAMED]) + (" …" if len(without) > _NAMED else "")
        raise PlanError(
            f"{len(without)} endpoints have no window of {wish.minutes} minutes in {wish.days} days: {some}; "
            "widen their windows, or plan more days"
        )
    if not hosts:
        where = {"only": "at the staging bench", "first": "at the staging bench or in service"}
        raise PlanError(f"no machine {where.get(wish.bench or '', 'in service')} is in these rings")
    order = [BENCH_GROUP, *known, MEDIA_GROUP]
    hosts.sort(key=lambda host: (order.index(host.group), host.windows[0].opens, host.endpoint))
    return Plan(
        id=wave,
        action=wish.action,
        catalogue=catalogue[0].number,
        catalogue_sha256=catalogue[1],
        updates=updates,
        planner=wish.planner,
        made_at=whole_seconds(now),
        minutes=wish.minutes,
        overdue_minutes=wish.overdue_minutes,
        halting=Halting.of(HaltingRule(tuple({host.model for host in hosts}))),
        hosts=hosts,
    )


def _at_the_bench(fleet: Fleet, wish: Wish, now: datetime) -> Iterator[PlannedHost]:
    """Yield the terminals at the staging bench, which Ansible reaches."""
    days = [now + timedelta(days=day) for day in range(min(wish.days, MAX_WINDOWS))]
    windows = [
        Window(opens=whole_seconds(day), closes=whole_seconds(day + timedelta(days=1, seconds=-1))) for day in days
    ]
    for site in fleet.sites.values():
        endpoint, terminal = site.endpoint, site.terminal
        if not endpoint or not terminal or terminal.state is not State.STAGED:
            continue
        if not wish.rings or endpoint.ring in wish.rings:
            yield PlannedHost(
                endpoint=Party(site.key),
                terminal=terminal.asset_number,
                model=terminal.model,
                group=BENCH_GROUP,
                windows=windows,
                direct=site.hosts[Part.TERMINAL].name,
            )


def _machines(fleet: Fleet, rings: Sequence[str], by_medium: Sequence[str]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield ring, endpoint, model, terminal and group of the machines in service."""
    for site in fleet.sites.values():
        endpoint, terminal = site.endpoint, site.terminal
        if by_medium and site.key not in by_medium:
            continue
        if endpoint and terminal and terminal.state is State.IN_SERVICE and endpoint.ring in rings:
            group = MEDIA_GROUP if by_medium or endpoint.link is Link.MEDIA else endpoint.ring
            yield endpoint.ring, site.key, terminal.model, terminal.asset_number, group
