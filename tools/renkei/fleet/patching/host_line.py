"""What was seen on hosts, on its way into the hub's journal, and from the hub to others of ministry IT.

    handed = hand_in_hosts([(state.host, envelope)], client, url)   # the controller, after each look
    for reading in read_hosts(client, url, known, believer, now):   # whoever judges hosts elsewhere
        …

Nothing is noted of what was handed in: the hub keeps the newest of each host and says when it has that. One that was
restored gets what it has lost by the next look.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from renkei.client.answers import States
from renkei.client.errors import HubBusy, HubError, HubRefused, NotAllowed
from renkei.exchange.errors import ExchangeError
from renkei.exchange.packages import HostState
from renkei.exchange.signed import Signed
from renkei.fleet.patching.hosts import open_state
from renkei.fleet.patching.intake import Believer, Refused
from renkei.fleet.patching.line import HasEpoch, pages
from renkei.store.patch_states import Reached


class Hub(HasEpoch, Protocol):
    """What is asked of a hub for hosts (`client.hub.HubClient`)."""

    @property
    def keeps_host_states(self) -> bool:
        """Whether it knows host states, once it has said its state."""

    def put_host_state(self, host: str, envelope: bytes) -> bool:
        """Hand one in; false when it, or a newer one, is there."""

    def host_states(self, after: int, limit: int = 50) -> States:
        """What was seen after a cursor."""


@dataclass(frozen=True, slots=True)
class Handed:
    """How many states the hub has journalled, how many it had (or newer ones), and which it refused."""

    new: int
    known: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A page of states that are believed, those that aren't, and how far the hub is read with it."""

    seen: tuple[tuple[HostState, Signed], ...]
    refused: tuple[Refused, ...]
    reached: Reached


def hand_in_hosts(envelopes: Iterable[tuple[str, bytes]], hub: Hub, source: str) -> Handed:
    """Hand to the hub what the authority signed of hosts, each with its name; a refusal holds up none of the others.

    Raises:
        HubError: the hub can't be asked, or is of a release that keeps no host states.
    """
    _check(hub, source)
    new, known, refused = 0, 0, []
    for host, envelope in envelopes:
        try:
            is_new = hub.put_host_state(host, envelope)
        except (NotAllowed, HubBusy):
            raise
        except HubRefused as refusal:
            refused.append(Refused(host, f"{source} doesn't take it into its journal: {refusal}"))
        else:
            new, known = new + is_new, known + (not is_new)
    return Handed(new, known, tuple(refused))


def read_hosts(hub: Hub, source: str, known: Reached | None, believer: Believer, now: datetime) -> Iterator[Reading]:
    """Yield what a hub has of hosts and was not read before, verified from the root down.

    Raises:
        HubError: the hub can't be asked, or is of a release that keeps no host states.
    """
    _check(hub, source)
    for items, reached in pages(hub, hub.host_states, source, known, lambda _: None):
        seen, refused = [], []
        for item in items:
            signed = Signed(item.entry, item.envelope)
            try:
                seen.append((open_state(signed, believer, now), signed))
            except ExchangeError as error:
                refused.append(Refused(f"{source} host-state {item.cursor}", str(error)))
        yield Reading(tuple(seen), tuple(refused), reached)


def _check(hub: Hub, source: str) -> None:
    hub.state()
    if not hub.keeps_host_states:
        raise HubError(f"{source} is of an earlier release and keeps no host states; bring the hub up to date")
