"""Parties that send and receive through whichever of several hubs answers, and keep what they were told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from renkei.client.answers import InboxPage
from renkei.exchange.documents import peek
from renkei.exchange.payloads import Manifest
from unit.hub.conftest import Machine, Parcel, make_parcel
from unit.hub.processes import Place, content_digest

WAIT = 5
_PATIENCE = 60


@dataclass
class Traffic:
    """Each sender offers parcel after parcel, each request at the next hub; the ministry waits in its inbox.

    Attributes:
        accepted: for each sender its parcels with their acceptances, in order.
        delivered: (sender, sequence, id) of every manifest that the ministry's inbox gave, in order.
        unwoken: how often the ministry waited in vain, all through its long poll.
        faults: what went wrong in a thread.
    """

    hubs: list[Place]
    senders: list[Machine]
    ministry: Machine
    accepted: dict[str, list[tuple[Parcel, bytes]]] = field(default_factory=dict)
    delivered: list[tuple[str, int, str]] = field(default_factory=list)
    unwoken: int = 0
    faults: list[str] = field(default_factory=list)
    _lines: dict[tuple[str, int], httpx.Client] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """All parties at work, until the context ends."""
        work: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(self._receive, ())]
        work += [(self._send, (number, machine)) for number, machine in enumerate(self.senders)]
        threads = [threading.Thread(target=self._watch, args=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join(_PATIENCE)

    def count(self) -> int:
        """How many acceptances the senders hold."""
        return sum(map(len, self.accepted.values()))

    def wait_for(self, acceptances: int) -> None:
        """Wait until the senders hold so many acceptances."""
        deadline = time.monotonic() + _PATIENCE
        while self.count() < acceptances:
            assert not self.faults, self.faults
            assert time.monotonic() < deadline, f"{self.count()} of {acceptances} were accepted"
            time.sleep(0.01)

    def ask(self, machine: Machine, hub: int, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask one hub after the other until one answers something else than that it can't now."""
        while True:
            try:
                answer = self._line(machine, hub % len(self.hubs)).request(method, path, **options)
                if answer.status_code < 500 or self._stopping.is_set():
                    return answer
            except httpx.TransportError:
                pass
            hub += 1
            time.sleep(0.05)

    def _line(self, machine: Machine, hub: int) -> httpx.Client:
        """A party's connections to a hub, which it keeps."""
        if (machine.party, hub) not in self._lines:
            self._lines[machine.party, hub] = self.hubs[hub].client(headers=machine.header)
        return self._lines[machine.party, hub]

    def _watch(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 (whatever it was, the test must hear of it)
            self.faults.append(repr(error))

    def _send(self, hub: int, machine: Machine) -> None:
        kept = self.accepted[machine.party] = []
        while not self._stopping.is_set():
            parcel = make_parcel(machine, self.ministry, len(kept) + 1)
            digest = peek(parcel.manifest).payload["parts"][0]["sha256"]
            headers = content_digest(digest)
            self.ask(machine, hub, "PUT", f"/v1/parts/{digest}", content=parcel.parts[0], headers=headers)
            path = f"/v1/messages/{machine.party}/{parcel.id}"
            answer = self.ask(machine, hub + len(kept), "PUT", path, content=parcel.manifest)
            if answer.status_code in {200, 201}:
                kept.append((parcel, answer.content))
            elif not self._stopping.is_set():
                raise AssertionError(answer.text)

    def _receive(self) -> None:
        cursor, hub = 0, 0
        while not self._stopping.is_set():
            hub, began = hub + 1, time.monotonic()
            answer = self.ask(self.ministry, hub, "GET", f"/v1/inbox?after={cursor}&wait={WAIT}")
            if answer.status_code != 200:
                continue
            page = InboxPage.model_validate_json(answer.content)
            self.unwoken += not page.items and time.monotonic() - began >= WAIT
            for item in page.items:
                manifest = Manifest.read(peek(item.envelope).payload)
                self.delivered.append((manifest.sender, manifest.sequence, str(manifest.id)))
                cursor = item.cursor
