"""The registration authority as a service: asks the hub who wants to enrol, and tells it who may speak.

It needs the hub for nothing but carrying: what it decided is durable before the hub hears of it, and what the hub
hasn't confirmed is told again at the next step.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from renkei.client.answers import QueuedEnrolment, QueuedServer
from renkei.client.backoff import Backoff
from renkei.client.connection import Connection, Credentials, Timeouts
from renkei.client.errors import HubBusy, HubError, HubRefused, NotAllowed
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.clock import format_time
from renkei.ministry.issuing import IssuingError
from renkei.ministry.office import Office
from renkei.ministry.own import Identity
from renkei.ministry.servers import renew_server
from renkei.ministry.service import ALARM, Stop, notify
from renkei.ministry.settings import HubSettings, SettingsError
from renkei.store.errors import StoreError

log = logging.getLogger("renkei.authority")

_LONGEST_WAIT = 300.0
_HOUSEKEEPING = timedelta(days=1)
_REFUSALS_KEPT = timedelta(days=30)

Connect = Callable[[Identity], HubClient]


def connect_by(hub: HubSettings, root: Path) -> Connect:
    """Return what opens the line to the hub with the authority's certificate."""

    def connect(identity: Identity) -> HubClient:
        credentials = Credentials(identity.chain, identity.key)
        return HubClient(Connection.to_gateway(hub.url, root, credentials, Timeouts(packet=hub.timeout_seconds)))

    return connect


class AuthorityService:
    """The loop: answer who waits, push what the hub hasn't got, keep keys and lists fresh."""

    def __init__(
        self, office: Office, connect: Connect, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Serve an office over lines that `connect` opens."""
        self._office = office
        self._connect = connect
        self._clock = clock
        self._line: tuple[Identity, HubClient] | None = None
        self._open = ExitStack()
        self._kept: datetime | None = None
        self._trouble = ""
        self._told: set[str] = set()
        self._told_crl = 0

    def run(self, stop: Stop) -> None:
        """Serve until asked to stop; whatever fails is tried again, at growing intervals."""
        poll = self._office.settings.authority.poll_seconds
        backoff = Backoff(poll, _LONGEST_WAIT)
        notify("READY=1")
        while not stop.asked:
            try:
                self.step()
            except HubError as error:
                self._stumble(logging.WARNING, str(error))
                stop.wait(backoff.pause())
            except (IssuingError, SettingsError, StoreError, OSError) as error:
                self._stumble(ALARM, str(error))
                stop.wait(backoff.pause())
            else:
                if self._trouble:
                    log.info("the hub is served again")
                self._trouble = ""
                backoff.reset()
                stop.wait(poll)
        self._open.close()

    def step(self) -> int:
        """Do all that there is to do now; return how many requests were answered.

        Raises:
            HubError: the hub can't be reached, or doesn't know the authority.
            IssuingError, SettingsError, StoreError: the authority isn't ready.

        """
        at = self._clock()
        self._keep_house(at)
        line = self._dial(at)
        self._follow_epoch(line)
        self.push(line)
        answered = [self._answer(line, queued) for queued in line.enrolments()]
        renewed = [self._answer_server(line, queued) for queued in line.servers()]
        return sum(answered) + sum(renewed)

    def _follow_epoch(self, line: HubClient) -> None:
        """A hub that was restored forgot who may speak, and worse, who may not: it is told all of it again."""
        try:
            epoch = line.state().epoch
        except HubBusy:
            return  # it waits for its own entry, which may be among what it is owed
        if self._office.ledger.write(lambda records: records.enter_epoch(epoch)):
            log.warning("the hub was restored (epoch %d): every binding and revocation is told again", epoch)
            self._told_crl = 0

    def push(self, line: HubClient) -> None:
        """Tell the hub the bindings and revocations that it hasn't confirmed, and then the list of the latter."""
        entries = self._office.ledger.read(lambda records: records.unpushed_entries())
        try:
            self._push_revocations(line)  # first: who replaces a machine begins when that one can speak no more
        except HubBusy:
            if not entries:  # else it may wait for its own entry, which is among them
                raise
        for digest, entry in entries:
            with self._one("binding", digest):
                line.put_binding(DirectoryEntry.from_json(entry))
                self._confirmed(digest)
        self._push_revocations(line)
        crl = self._office.issuing.read_crl()
        if crl is not None and crl.number != self._told_crl:
            with self._one("list of revoked certificates", str(crl.number)):
                line.put_crl(crl.pem)
                self._told_crl = crl.number

    def _push_revocations(self, line: HubClient) -> None:
        owed = self._office.ledger.read(lambda records: records.revocations(unpushed=True))
        crl = self._office.issuing.read_crl()
        if any(crl is None or each.serial_number not in crl.revoked for each in owed):
            self._office.write_crl(self._clock())
        for revoked in owed:
            with self._one("revocation", revoked.certificate_sha256):
                line.put_revocation(revoked.envelope)
                self._confirmed_revocation(revoked.certificate_sha256)

    def _confirmed(self, digest: str) -> None:
        now = format_time(self._clock())
        self._office.ledger.write(lambda records: records.binding_pushed(digest, now))

    def _confirmed_revocation(self, digest: str) -> None:
        now = format_time(self._clock())
        self._office.ledger.write(lambda records: records.revocation_pushed(digest, now))

    def _answer(self, line: HubClient, queued: QueuedEnrolment) -> bool:
        at = self._clock()
        answer = self._office.registrar.decide(queued.request, renewal=queued.kind == "renewal", at=at)
        with self._one(queued.kind, queued.id):
            if answer.entry is None:
                line.refuse(queued.id, answer.reason or "refused")
                return True
            self._push_revocations(line)
            entry = DirectoryEntry.from_json(answer.entry)
            line.approve(queued.id, entry)
            self._confirmed(fingerprint(certificate_from_pem(entry.certificate)))
            return True
        return False

    def _answer_server(self, line: HubClient, queued: QueuedServer) -> bool:
        answer = renew_server(self._office, queued.request, self._clock())
        with self._one("server", queued.id):
            if answer.chain:
                line.approve_server(queued.id, answer.chain)
            else:
                line.refuse_server(queued.id, answer.refused)
            return True
        return False

    def _dial(self, at: datetime) -> HubClient:
        identity = self._office.identity(at)
        if self._line is None or identity != self._line[0]:
            self._open.close()
            self._line = identity, self._open.enter_context(self._connect(identity))
        return self._line[1]

    def _stumble(self, level: int, text: str) -> None:
        """Say what holds the authority up, once, and begin with a new line the next time."""
        self._open.close()
        self._line = None
        if text != self._trouble:
            self._trouble = text
            log.log(level, "%s", text)

    def _keep_house(self, at: datetime) -> None:
        if self._kept and at - self._kept < _HOUSEKEEPING:
            return
        if self._office.issuing.due(at):
            log.log(ALARM, "two thirds of the issuing CA's time are over; have the root sign it anew")
        before = format_time(at - _REFUSALS_KEPT)
        self._office.ledger.write(lambda records: records.forget_refusals(before))
        self._office.write_crl(at)
        self._kept = at

    @contextmanager
    def _one(self, what: str, name: str) -> Iterator[None]:
        """Let one thing that the hub refuses not hold up the others."""
        try:
            yield
        except (NotAllowed, HubBusy):
            raise  # the authority itself isn't known, or has to wait: nothing else will pass either
        except HubRefused as error:
            text = f"{what} {name[:16]}: {error}"
            if text not in self._told:
                self._told.add(text)
                log.log(ALARM, "%s", text)
