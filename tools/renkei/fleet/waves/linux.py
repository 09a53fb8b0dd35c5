"""The plan of a wave over Linux hosts and network devices: exact package versions, the same for every host.

The rings come first, as with terminals, each with its own windows. Then the ministry and the ASP, in the windows of the
fleet's default profile: a second hub before the first (`standby`), everybody else after it (`central`), so that one of
the two always answers.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from renkei.domain.halting import HaltingRule
from renkei.exchange.clock import whole_seconds
from renkei.exchange.packages import PackageSet
from renkei.exchange.parties import HUB, MINISTRY, Party
from renkei.exchange.updates import MAX_WINDOWS, Action, Window
from renkei.fleet.model import ASP, Fleet, Host, Part
from renkei.fleet.waves.plan import Halting, Plan, PlanError, PlannedHost, WindowsOf

STANDBY_GROUP: Final = "standby"
CENTRAL_GROUP: Final = "central"
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class LinuxWish:
    """What is to be done; the same words as of `Wish`. `hosts` have one of the set's packages, as somebody has seen.

    `rings` may have `standby` and `central`, too; all take part when it is empty.
    """

    planner: str
    hosts: Collection[str]
    action: Action = "install"
    rings: tuple[str, ...] = ()
    days: int = 14
    minutes: int = 30
    overdue_minutes: int = 60


def plan_linux(
    wish: LinuxWish,
    fleet: Fleet,
    packages: tuple[PackageSet, str],
    windows_of: WindowsOf,
    wave: UUID,
    now: datetime,
) -> Plan:
    """Plan a wave over Linux hosts.

    Args:
        wish: what to do.
        fleet: whose hosts.
        packages: the set, and the digest of its document's payload.
        windows_of: the maintenance windows of an endpoint, the ministry or the ASP.
        wave: the id of the new wave.
        now: aware.

    Raises:
        PlanError: an unknown ring, sites without a window that is long enough, or no host at all.
    """
    order = [*fleet.settings.rings, STANDBY_GROUP, CENTRAL_GROUP]
    if unknown := [ring for ring in wish.rings if ring not in order]:
        raise PlanError(f"the fleet has no ring {', '.join(unknown)}; it has {', '.join(order)}")
    urgent = any(package.urgency == "urgent" for package in packages[0].packages)
    hosts: list[PlannedHost] = []
    without: dict[str, None] = {}
    for group, host in _hosts(fleet, wish):
        last = max(fleet.settings.maintenance.ring_days.values())
        begin = now if urgent else now + timedelta(days=fleet.settings.maintenance.ring_days.get(group, last))
        windows = [
            Window(opens=whole_seconds(opens), closes=whole_seconds(closes))
            for opens, closes in windows_of(host.site.key, begin, max(begin, now + timedelta(days=wish.days)))
            if closes - opens >= timedelta(minutes=wish.minutes)
        ][:MAX_WINDOWS]
        if windows:
            hosts.append(_planned(host, group, windows))
        else:
            without[host.site.key] = None
    if without:
        some = ", ".join(list(without)[:_NAMED]) + (" …" if len(without) > _NAMED else "")
        raise PlanError(
            f"{len(without)} sites have no window of {wish.minutes} minutes in {wish.days} days: {some}; widen their "
            "windows, or plan more days"
        )
    if not hosts:
        raise PlanError("no host of these rings has any of the set's packages; look first: ansible/playbooks/look.yml")
    hosts.sort(key=lambda host: (order.index(host.group), host.windows[0].opens, host.endpoint))
    return Plan(
        id=wave,
        action=wish.action,
        catalogue=packages[0].number,
        catalogue_sha256=packages[1],
        updates=[],
        packages=packages[0].packages,
        planner=wish.planner,
        made_at=whole_seconds(now),
        minutes=wish.minutes,
        overdue_minutes=wish.overdue_minutes,
        halting=Halting.of(HaltingRule(tuple({host.model for host in hosts}))),
        hosts=hosts,
    )


def _planned(host: Host, group: str, windows: list[Window]) -> PlannedHost:
    site = host.site
    party = Party(site.key) if site.endpoint else HUB if site.key == ASP else MINISTRY
    part = Part.HUB if host.part is Part.SECOND_HUB else host.part
    return PlannedHost(
        endpoint=party, terminal=host.name, model=part.value, group=group, windows=windows, direct=host.name
    )


def _hosts(fleet: Fleet, wish: LinuxWish) -> Iterator[tuple[str, Host]]:
    """Yield the hosts with their groups."""
    databases = fleet.settings.databases
    first = databases.primary if databases else fleet.hub.name
    for host in fleet.hosts.values():
        endpoint = host.site.endpoint
        if host.name not in wish.hosts or host.part is Part.TERMINAL:
            continue
        central = STANDBY_GROUP if "hubs" in host.groups and host.name != first else CENTRAL_GROUP
        group = endpoint.ring if endpoint else central
        if not wish.rings or group in wish.rings:
            yield group, host
