"""What the hub counts, for Prometheus. Parties are no labels: 1,892 of them would make each metric a table."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from renkei.store.writer import Statistics


class Metrics:
    """The hub's metrics in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        self.requests = Counter("renkei_hub_requests", "Requests.", ("listener", "route", "status"), registry=r)
        self.seconds = Histogram("renkei_hub_request_seconds", "Time to the answer's end.", ("route",), registry=r)
        self.refused = Counter("renkei_hub_problems", "Problem documents by kind.", ("kind",), registry=r)
        self.commits = Gauge("renkei_hub_store_commits", "Commits since the start.", registry=r)
        self.works = Gauge("renkei_hub_store_writes", "Writes that these commits made durable.", registry=r)
        self.batch = Gauge("renkei_hub_store_batch_mean", "Writes a commit, over the last 1,024 commits.", registry=r)
        self.polls = Gauge("renkei_hub_polls", "Requests that wait in an inbox.", registry=r)
        self.inbox = Gauge("renkei_hub_unreceipted_messages", "Messages that wait for their recipients.", registry=r)
        self.held = Gauge("renkei_hub_held_bytes", "Bytes that unreceipted messages occupy.", registry=r)
        self.pending = Gauge("renkei_hub_pending_enrolments", "Enrolments that wait for the authority.", registry=r)
        self.live = Gauge("renkei_hub_live_bindings", "Certificates on the allow-list.", registry=r)
        self.expiring = Gauge("renkei_hub_expiring_bindings", "Of these, expiring within 30 days.", registry=r)
        self.expiry = Gauge("renkei_hub_certificate_expiry", "When the hub's own expires, Unix time.", registry=r)
        self.tree = Gauge("renkei_hub_journal_entries", "Entries in the journal.", registry=r)
        self.short = Gauge("renkei_hub_short_of_room", "1 while nothing new is taken for want of room.", registry=r)
        self.ready = Gauge("renkei_hub_ready", "1 when the hub has its directory entry.", registry=r)

    def note_store(self, statistics: Statistics) -> None:
        """Take over the writer's counts."""
        self.commits.set(statistics.commits)
        self.works.set(statistics.works)
        sizes = list(statistics.batches)
        self.batch.set(sum(sizes) / len(sizes) if sizes else 0)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
