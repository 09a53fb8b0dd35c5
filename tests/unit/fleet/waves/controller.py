"""An engine over a few machines whose post is lists: what a turn sends and hears, case by case."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from renkei.exchange.bindings import BindingError, DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.updates import Order, PatchState
from renkei.fleet.waves.engine import Engine, Ministry, load, order_id
from renkei.fleet.waves.plan import Plan, PlannedHost
from renkei.fleet.waves.post import Heard
from renkei.fleet.waves.state import WaveState
from renkei.store.waves.ledger import Act, Ledger
from unit.fleet.waves.plans import AUTHORITY, BEGIN, KB, NEW, OLD, SIGNER, WAVE

OPEN = BEGIN.replace(hour=9, minute=5)
MINUTE = timedelta(minutes=1)
KEYS = {"right": make_key(), "wrong": make_key()}
NAME = str(WAVE)


@dataclass
class Controller:
    """An engine over a few machines, and the post as lists."""

    ledger: Ledger
    plan: Plan
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)
    coming: list[Heard] = field(default_factory=list)
    settled: list[tuple[str, bool]] = field(default_factory=list)
    others: dict[str, PlannedHost] = field(default_factory=dict)
    consents: tuple[bytes, bytes] = (b"{}", b"{}")

    def __post_init__(self) -> None:
        planner, approver = self.consents
        at = int(BEGIN.timestamp())
        self.ledger.plan(NAME, self.plan.to_bytes(), at, planner)
        self.ledger.add(NAME, 0, lambda _: [Act("consent", detail="approver", document=approver, at=at)])
        self.begin()

    def begin(self) -> None:
        self.engine = Engine(self.ledger, load(self.ledger, NAME), Ministry(SIGNER, self.believe), self)

    def send(self, endpoint: str, terminal: str, name: str, envelope: bytes) -> None:
        assert self.host(terminal).endpoint == endpoint
        self.sent[terminal, name] = envelope

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        assert (self.host(terminal).endpoint, str(order_id(WAVE, terminal))) == (endpoint, order)
        for name in ("order", "permit"):
            self.sent.pop((terminal, name), None)

    def heard(self) -> Iterator[Heard]:
        yield from list(self.coming)

    def settle(self, name: str, *, refused: bool) -> None:
        self.coming = [each for each in self.coming if each.name != name]
        self.settled.append((name, refused))

    def believe(self, entry: DirectoryEntry, at: datetime) -> VerifiedParty:
        del at
        if entry.certificate not in {*self.engine.state.hosts, *self.others}:
            raise BindingError("nobody")
        host = self.host(entry.certificate)
        place = {"party": host.endpoint, "terminal": host.terminal}
        return cast("VerifiedParty", SimpleNamespace(**place, signing_public_key=KEYS["right"].public_key()))

    def host(self, terminal: str) -> PlannedHost:
        return self.others.get(terminal) or self.engine.state.hosts[terminal].host

    def order(self, terminal: str) -> Order:
        return Order.open(self.engine.state.hosts[terminal].envelope, AUTHORITY.public_key())

    def permitted(self) -> list[str]:
        return list(dict.fromkeys(act.terminal for act in self.ledger.acts(NAME) if act.what == "permit"))

    def turn(self, now: datetime = OPEN) -> WaveState:
        return self.engine.turn(now)

    def says(self, speaker: str, stage: str, at: datetime = OPEN, key: str = "right", **changes: Any) -> None:
        host = self.host(speaker)
        done = stage == "done"
        words = {
            "endpoint": host.endpoint,
            "terminal": speaker,
            "answers": order_id(WAVE, speaker),
            "stage": stage,
            "build": NEW if done else OLD,
            "installed": [KB] if done else [],
            "missing": [],
            "catalogue": 7,
            "exchanged_at": at if done else BEGIN,
            "problem": None,
            "checked_at": at,
        }
        envelope = PatchState(**{**words, **changes}).sign(Signer(KEYS[key]))
        entry = DirectoryEntry(binding="", certificate=speaker, issuer="")
        self.coming.append(Heard(f"{len(self.settled) + len(self.coming):06}", entry, envelope))
