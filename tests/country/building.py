"""A country is built: keys, a hub, a terminal for each machine of the first wave, and what will go wrong there."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from country.machine import UNTROUBLED, Troubles, Windows
from country.terminal import Clock, Keys, Terminal, make_terminal, settings_of
from country.wire import HUB, Tally, Wire
from country.world import BEGIN, World
from renkei.agent.settings import UpdatesSettings
from renkei.cli.wave_plan import windows_by
from renkei.client.connection import Connection
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty
from renkei.exchange.certificates import Authority, issue_authority, make_authority_request, make_key, make_root
from renkei.exchange.parties import Party
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.model import Fleet
from renkei.fleet.waves.plan import Plan, Wish, make_plan
from renkei.hub import app
from renkei.hub.context import Hub
from renkei.hub.identity import Identity, verified_binding
from renkei.hub.limits import TokenBuckets
from renkei.hub.metrics import Metrics
from renkei.hub.settings import Settings as HubSettings
from renkei.store.hub.contract import Bounds
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.waves.ledger import open_ledger
from unit.agent.update_host import AFTER
from unit.hub.conftest import Machine, Pki

KB = "KB5058411"
UPDATE = Update(kb=KB, build=AFTER, file="kb.msu", sha256="ab" * 32, size=700_000_000, urgency="urgent", requires=[])
CATALOGUE = Catalogue(number=7, issued_at=BEGIN, updates=[UPDATE])
FIRST, SECOND, THIRD = (UUID(int=0x6A1D9D0E9D3B4F0A8F43 << 48 | number) for number in (1, 2, 3))
_SHARE_OF_LINE = 0.5


class Anchor(TrustAnchor):
    """The trust anchor, which believes an entry anew once a day: it is asked for the same ones again and again."""

    def __init__(self, pem: str) -> None:
        super().__init__(pem)
        self._believed: dict[tuple[str, Party | None, date], VerifiedParty] = {}

    def verify_entry(
        self, entry: DirectoryEntry, at: datetime, party: Party | None = None, *, signed_at: datetime | None = None
    ) -> VerifiedParty:
        key = entry.certificate + entry.binding, party, at.date()
        if key not in self._believed:
            self._believed[key] = super().verify_entry(entry, at, party, signed_at=signed_at)
        return self._believed[key]


def planned(fleet: Fleet, wave: UUID, now: datetime, one_in: int = 1, **wish: Any) -> Plan:
    """Plan an urgent wave over the fleet, in its own windows, or over one machine in some."""
    catalogue = CATALOGUE, "cd" * 32
    plan = make_plan(Wish(kbs=(KB,), planner="sato", days=10, **wish), fleet, catalogue, windows_by(fleet), wave, now)
    return plan.model_copy(update={"hosts": plan.hosts[::one_in]})


def planned_for(world: World, wave: UUID, **wish: Any) -> Plan:
    """Plan another wave over the machines of a world."""
    plan = planned(world.fleet, wave, world.now, **wish)
    return plan.model_copy(update={"hosts": [host for host in plan.hosts if host.terminal in world.terminals]})


def _pki() -> Pki:
    """The ministry's root and issuing CA, which were there long before."""
    before, key = BEGIN - timedelta(days=400), make_key()
    root = make_root("country's root", make_key(), before, days=4000)
    return Pki(root, Authority(issue_authority(make_authority_request(key, "issuing"), root, before, 2000), key))


@contextmanager
def country(
    fleet: Fleet,
    folder: Path,
    seed: int,
    troubles: Troubles,
    one_in: int = 1,
    *,
    killed: float = 0.0,
    anchor: type[TrustAnchor] = Anchor,
) -> Iterator[World]:
    """Build a country and the first wave over it, in a folder that should be in memory."""
    (folder / "agents").mkdir()
    (folder / "root.pem").write_text((pki := _pki()).root_pem)
    settings = HubSettings(state=folder, run=folder, root=folder / "root.pem")
    with (
        closing(asyncio.new_event_loop()) as loop,
        closing(SqliteHubStore(settings.database, Bounds(10_000, 10_000, 10_000))) as store,
        open_ledger(str(folder / "waves.db")) as ledger,
    ):
        clock, trusted = Clock(BEGIN), anchor(pki.root_pem)
        begin = BEGIN - timedelta(days=1)
        hub = Hub(store, trusted, settings, lambda: clock.now, Metrics())
        hub.ministry_rate = hub.endpoint_rate = TokenBuckets(1e9, 1e9)  # which go by real time
        own = pki.enrol("hub", "asp-hub", begin)
        hub.identity = Identity(own.signer, own.entry.to_json(), int((begin + timedelta(days=398)).timestamp()))
        application, tally = app.exchange(hub), Tally()

        def enrol(party: str, terminal: str) -> Machine:
            machine = pki.enrol(party, terminal, begin)
            binding, _ = verified_binding(trusted, machine.entry, BEGIN)
            loop.run_until_complete(store.add_binding(binding, "authority", int(BEGIN.timestamp())))
            return machine

        def wire(machine: Machine) -> Wire:
            return Wire(loop, application, machine.entry.certificate, tally)

        authority, ministry = enrol("authority", "moj-linkage"), enrol("ministry", "moj-linkage")
        plan, terminals = planned(fleet, FIRST, BEGIN, one_in), {}
        lines = {site.key: site.endpoint.line_kbps for site in fleet.sites.values() if site.endpoint}
        for host in plan.hosts:
            machine = enrol(host.endpoint, host.terminal)
            random = Random(f"{seed} {host.terminal}")  # noqa: S311 - a simulation
            early = "03:00-20:30" if random.random() < troubles.early else None
            own_settings = settings_of(host, folder / "agents", folder / "root.pem", early)
            bits_a_second = lines[host.endpoint] * 1000 * _SHARE_OF_LINE
            windows = Windows(now=BEGIN, random=random, downloads=timedelta(seconds=UPDATE.size * 8 / bits_a_second))
            keys, line = Keys(machine.entry, machine.signer), Connection(HUB, wire(machine))
            terminal = make_terminal(host, windows, keys, own_settings, trusted, line, clock)
            trouble(terminal, troubles)
            terminals[host.terminal] = terminal
        world = World(
            fleet,
            ledger,
            hub,
            store,
            trusted,
            clock,
            authority,
            wire(authority),
            HubClient(Connection(HUB, wire(ministry))),
            terminals,
            seed,
            killed,
            loop,
            troubles=troubles,
        )
        with clock.shown():
            world.morning()  # everybody has exchanged before
        world.begin(plan)
        yield world


def trouble(terminal: Terminal, troubles: Troubles) -> None:
    """Draw what will go wrong with a terminal."""
    machine, random = terminal.machine, terminal.random

    def chance(share: float) -> bool:
        return random.random() < share

    terminal.dead = chance(troubles.dead)
    if chance(troubles.full):
        machine.fill()
    if chance(troubles.loop):
        machine.faults.add("loop")
    machine.breaks = chance(troubles.breaks)
    terminal.off = timedelta(hours=random.choice([3, -3])) if chance(troubles.clock) else timedelta()
    machine.will_cut = chance(troubles.cut)
    breaks_the_line = troubles.harm != "not back"
    if troubles.model in {None, terminal.host.model} and chance(troubles.poison):
        machine.poisoned = None if breaks_the_line and terminal.by_medium else troubles.harm


def mend(world: World) -> None:
    """The faults end: somebody has been everywhere."""
    for terminal in world.terminals.values():
        terminal.machine.mend()
        terminal.dead, terminal.off = False, timedelta()
        settings = terminal.home.settings.model_copy(update={"updates": UpdatesSettings()})  # its own office hours
        terminal.home = replace(terminal.home, settings=settings)
        world.at(world.now + timedelta(minutes=world.random.randint(1, 600)), "wake", terminal.name)
    world.troubles = UNTROUBLED
