"""A terminal with its orders' authority, for the tests of updates."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.updates import documents, orders, patching
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, make_key, make_request, public_key_of
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer, payload_sha256
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Payload
from renkei.exchange.updates import Catalogue, Order, PatchState, Permit
from renkei.store.spool import Spool
from unit.agent.update_host import MINUTE, Host, order, update


@dataclass
class Office:
    """A terminal with its host, and the authority that signs for it."""

    offline: Any
    home: Home
    host: Host
    begin: datetime
    signer: Signer
    entry: DirectoryEntry
    exchanges: bool = True
    turns: list[patching.Turn] = field(default_factory=list)

    def take(self, document: Payload) -> bool:
        return documents.take(self.home, document.sign(self.signer), self.entry)

    def order(self, number: int = 1, **changes: Any) -> Order:
        return order(number, self.begin, **changes)

    def permit(self, given: Order, **changes: Any) -> Permit:
        values = {
            "endpoint": given.endpoint,
            "terminal": given.terminal,
            "order": given.id,
            "order_sha256": payload_sha256(given.sign(self.signer)),
            "given_at": self.host.now,
            "expires": self.host.now + 15 * MINUTE,
        }
        return Permit(**{**values, **changes})

    def catalogue(self, number: int) -> Catalogue:
        updates = [update("KB5043080", "26100.1742"), update(), update("KB5000001", "22621.1")]
        return Catalogue(number=number, issued_at=self.begin, updates=updates)

    def turn(self) -> patching.Turn:
        if self.exchanges:
            self.home.spool.note(exchanged_at=self.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
            for said in self.home.spool.updates.to_send():
                self.home.spool.updates.sent(said.number, said.at)
        self.turns.append(patching.tend(self.home, self.host))
        return self.turns[-1]

    def pass_time(self, minutes: int) -> None:
        self.host.run_to(self.host.now + minutes * MINUTE)

    def run(self, minutes: int) -> None:
        for _ in range(0, minutes, 5):
            self.turn()
            self.pass_time(5)

    def said(self, answers: UUID | None) -> list[PatchState]:
        every = self.home.spool.updates.since("")
        key = public_key_of(certificate_from_pem(self.home.keys().entry.certificate))
        states = [PatchState.open(each.envelope, key) for each in every]
        return [each for each in states if each.answers == answers]

    def reopen(self) -> None:
        """A kill, and a start: nothing but the disk is left."""
        self.home.spool.close()
        fresh = Home(self.home.settings, Spool(self.home.settings.database), self.home.keyring, self.home.anchor)
        self.offline.homes[:] = [fresh if each is self.home else each for each in self.offline.homes]
        self.home = fresh


def make_office(offline: Any, monkeypatch: pytest.MonkeyPatch) -> Office:
    begin = whole_seconds(offline.now())
    host = Host(now=begin)
    for module in (documents, orders, patching):
        monkeypatch.setattr(module, "now", lambda: host.now)
    key = make_key()
    request = make_request(key, Party("authority"), "linkage")
    entry = offline.pki.entry(request, "authority", "linkage", point_of(make_key().public_key()))
    return Office(offline, offline.agent("131041"), host, begin, Signer(key), entry)
