"""What an operator, the lab's page and monitoring want to know of an agent; no personal data is in it."""

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from renkei.agent import crl
from renkei.agent.home import Home, stamp
from renkei.agent.intake import candidates
from renkei.agent.room import shortages
from renkei.agent.voiding import voided
from renkei.exchange.certificates import certificate_from_pem
from renkei.exchange.clock import format_time
from renkei.store.incoming import IncomingCount
from renkei.store.outgoing import OutgoingCount
from renkei.store.standings import Standing

REASON_SUFFIX = ".reason.txt"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class PeerStatus(_Model):
    """What went to and came from one party in the last 400 days: notices, parcels, sealed bytes.

    `waiting` and `held` are parcels, of whatever age.
    """

    party: str
    notices_sent: int = 0
    parcels_sent: int = 0
    bytes_sent: int = 0
    accepted: int = 0
    receipts_received: int = 0
    waiting: int = 0
    last_receipt_at: str | None = None
    notices_received: int = 0
    parcels_received: int = 0
    bytes_received: int = 0
    held: int = 0
    receipts_sent: int = 0
    last_delivered_at: str | None = None


class AlarmStatus(_Model):
    """Something that a person must look at."""

    kind: str
    subject: str
    text: str
    first_at: str
    times: int


class VoidStatus(_Model):
    """A number under which nothing comes: of our stream to a party (`out`), or of a party's to us (`in`)."""

    direction: str
    party: str
    stream: str
    sequence: int
    reason: str
    voided_at: str


class CrlStatus(_Model):
    """The list of revoked certificates: how fresh it is (`agent.crl.Standing`), and what is on it."""

    standing: str
    number: int | None = None
    signed_at: str | None = None
    next_due_at: str | None = None
    revoked: int | None = None


class Status(_Model):
    """One agent; times are RFC 3339.

    `register_waiting` counts notices that aren't in the register yet by where they stand (`store.imports.Standing`),
    `dispatches_waiting` those that wait for their day or the next exchange time.
    """

    party: str
    terminal: str
    link: str
    enrolled: bool
    generation: int | None
    certificate_not_after: str | None
    epoch: int
    hub_seen_at: str | None
    last_exchange_at: str | None
    last_exchange_seconds: float | None
    crl: CrlStatus
    outbox_files: int
    rejected_files: int
    alarms: tuple[AlarmStatus, ...]
    peers: tuple[PeerStatus, ...]
    voids: tuple[VoidStatus, ...] = ()
    register_waiting: dict[str, int] = {}
    dispatches_waiting: int = 0

    @property
    def needs_person(self) -> bool:
        """Whether rejected rows, alarms or notices to decide on wait for somebody."""
        return self.rejected_files > 0 or bool(self.alarms) or Standing.UNCONFIRMED in self.register_waiting


def status_of(home: Home) -> Status:
    """Read an agent's status; a running service isn't disturbed."""
    current = home.keyring.current()
    seconds = home.spool.fact("exchange_seconds")
    return Status(
        party=home.party,
        terminal=home.settings.terminal,
        link=home.settings.link.value,
        enrolled=current is not None,
        generation=current.number if current else None,
        certificate_not_after=(
            format_time(certificate_from_pem(current.entry.certificate).not_valid_after_utc) if current else None
        ),
        epoch=home.spool.epoch,
        hub_seen_at=home.spool.fact("hub_seen_at"),
        last_exchange_at=home.spool.fact("exchanged_at"),
        last_exchange_seconds=float(seconds) if seconds is not None else None,
        crl=_crl(home),
        outbox_files=sum(1 for _ in candidates(home)),
        rejected_files=sum(1 for path in home.settings.rejected.rglob(f"*{REASON_SUFFIX}")),
        alarms=_alarms(home),
        register_waiting=home.spool.imports.standings(),
        dispatches_waiting=home.spool.dispatches.count(),
        voids=tuple(VoidStatus(**asdict(each)) for each in voided(home)),
        peers=_peers(home.spool.outgoing.counts(), home.spool.incoming.counts()),
    )


def _alarms(home: Home) -> tuple[AlarmStatus, ...]:
    """The alarms that stand, and what is so now without one: no room (it may be too little to note it), an old list."""
    noted = [
        AlarmStatus(kind=a.kind, subject=a.subject, text=a.text, first_at=a.first_at, times=a.times)
        for a in home.spool.alarms()
    ]
    known = {(alarm.kind, alarm.subject) for alarm in noted}
    now_short = [
        AlarmStatus(kind="room", subject=subject, text=text, first_at=stamp(), times=1)
        for subject, text in shortages(home).items()
        if ("room", subject) not in known
    ]
    text = crl.freshness(home).alarm
    too_old = [AlarmStatus(kind="crl", subject="age", text=text, first_at=stamp(), times=1)] if text else []
    return (*noted, *now_short, *(each for each in too_old if ("crl", "age") not in known))


def _crl(home: Home) -> CrlStatus:
    found = crl.freshness(home)
    if found.crl is None:
        return CrlStatus(standing=found.standing)
    return CrlStatus(
        standing=found.standing,
        number=found.crl.number,
        signed_at=format_time(found.crl.signed_at),
        next_due_at=format_time(found.crl.due_at),
        revoked=len(found.crl.revoked),
    )


def _peers(outgoing: list[OutgoingCount], incoming: list[IncomingCount]) -> tuple[PeerStatus, ...]:
    out = {count.recipient: count for count in outgoing}
    into = {count.sender: count for count in incoming}
    return tuple(
        PeerStatus(party=party, **_sent(out.get(party)), **_received(into.get(party)))
        for party in sorted({*out, *into})
    )


def _sent(count: OutgoingCount | None) -> dict[str, int | str | None]:
    if count is None:
        return {}
    return {
        "notices_sent": count.notices,
        "parcels_sent": count.parcels,
        "bytes_sent": count.bytes,
        "accepted": count.accepted,
        "receipts_received": count.receipts,
        "waiting": count.parcels - count.receipts,
        "last_receipt_at": count.last_receipt_at,
    }


def _received(count: IncomingCount | None) -> dict[str, int | str | None]:
    if count is None:
        return {}
    return {
        "notices_received": count.notices,
        "parcels_received": count.parcels,
        "bytes_received": count.bytes,
        "held": count.held,
        "receipts_sent": count.receipts,
        "last_delivered_at": count.last_delivered_at,
    }
