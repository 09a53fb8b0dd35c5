"""What every request of the hub has at hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.documents import Signer
from renkei.hub.exchanges import Exchanges
from renkei.hub.identity import Identity
from renkei.hub.limits import TokenBuckets, Waiters
from renkei.hub.metrics import Metrics
from renkei.hub.problems import Problem
from renkei.hub.room import Room
from renkei.hub.settings import Settings
from renkei.store.hub.contract import HubStore, TreeState


@dataclass(frozen=True, slots=True)
class LastHead:
    """The tree head that was signed last: of which tree, by whom, when (seconds since 1970)."""

    tree: TreeState
    signer: Signer
    at: int
    envelope: bytes


@dataclass(slots=True)
class Hub:
    """The running hub.

    Attributes:
        store: durable state.
        anchor: the root, against which bindings are verified.
        settings: see `Settings`.
        clock: the time of now, aware; a test has its own.
        metrics: what Prometheus reads.
        identity: the hub's own signer and entry, None until the registration authority has issued the entry.
        last_head: the tree head that was signed last.
        contacts: when parties were last heard of (seconds since 1970), not yet in the store.
        exchanges: what became of terminals' requests, not yet in the store.
    """

    store: HubStore
    anchor: TrustAnchor
    settings: Settings
    clock: Callable[[], datetime]
    metrics: Metrics
    identity: Identity | None = None
    last_head: LastHead | None = None
    contacts: dict[str, int] = field(default_factory=dict)
    exchanges: Exchanges = field(default_factory=Exchanges)
    waiters: Waiters = field(init=False)
    endpoint_rate: TokenBuckets = field(init=False)
    ministry_rate: TokenBuckets = field(init=False)
    enrolment_rate: TokenBuckets = field(init=False)
    room: Room = field(init=False)

    def __post_init__(self) -> None:
        """Set up the bounds."""
        limits = self.settings.limits
        self.waiters = Waiters(limits.polls_per_party, limits.polls)
        self.endpoint_rate = TokenBuckets(limits.requests_per_second, limits.burst)
        self.ministry_rate = TokenBuckets(limits.ministry_requests_per_second, limits.ministry_burst)
        self.room = Room(self.settings.state, limits.reserve_mib)
        per_minute = limits.enrolment_requests_per_minute
        self.enrolment_rate = TokenBuckets(per_minute / 60, per_minute)

    def now(self) -> int:
        """Return the time in whole seconds since 1970."""
        return int(self.clock().timestamp())

    def speaker(self) -> Identity:
        """Return the hub's identity.

        Raises:
            Problem: 503, there is none yet.
        """
        if self.identity is None:
            raise Problem(503, "not-ready", "the hub waits for its own directory entry", headers={"Retry-After": "10"})
        return self.identity
