"""One exchange, from the outbox to the last receipt.

contact → inbox → intake → parcels sealed anew where needed → sending → fetching → delivery → receipts

Every step leaves the spool in order: an exchange that breaks off at any point is simply begun again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from renkei.agent import crl, directory, gaps, horizons, platform, profiles, publishing, renewal, room, roots, settling
from renkei.agent.contact import Contact, establish
from renkei.agent.delivery import deliver_all
from renkei.agent.home import Home, log, now, stamp
from renkei.agent.intake import STREAMS, Recipients, Watch, take_all
from renkei.agent.media import renewing
from renkei.agent.receiving import fetch_all, read_inbox
from renkei.agent.register import bridge
from renkei.agent.register.release import release_due
from renkei.agent.retention import remove_old
from renkei.agent.room import Room
from renkei.agent.sending import reseal_all, send_all
from renkei.agent.signing import signed_now
from renkei.agent.updates import line
from renkei.client.errors import HubBusy, HubError, HubRefused, NotAllowed, NotFound
from renkei.client.hub import HubClient
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.mailbox import Cursor
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Receipt


class Busy(Exception):
    """Another process of this agent is exchanging."""


@dataclass(slots=True)
class Outcome:
    """What one exchange came to; counts of notices, parcels (messages), receipts and sealed bytes.

    `withheld` counts parcels that the ministry promised by its horizon and the hub doesn't show, `gaps` the streams of
    which parcels wait for one that is missing.
    """

    notices_taken: int = 0
    rows_rejected: int = 0
    files_waiting: int = 0
    parcels_sent: int = 0
    bytes_sent: int = 0
    parcels_received: int = 0
    bytes_received: int = 0
    parcels_delivered: int = 0
    notices_delivered: int = 0
    quarantined: int = 0
    receipts_received: int = 0
    receipts_sent: int = 0
    withheld: int = 0
    gaps: int = 0
    seconds: float = 0.0

    @property
    def needs_person(self) -> bool:
        """Whether something waits for a person because of this exchange."""
        return self.rows_rejected > 0 or self.quarantined > 0 or self.withheld > 0 or self.gaps > 0

    def to_json(self) -> dict[str, int | float]:
        """The counts by name."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for the log."""
        return (
            f"sent {self.parcels_sent} parcels ({self.bytes_sent} bytes), received {self.parcels_received}, "
            f"delivered {self.parcels_delivered} with {self.notices_delivered} notices, "
            f"receipts {self.receipts_sent} out {self.receipts_received} in, {self.seconds:.1f} s"
        )


@contextmanager
def alone(home: Home, patience: float) -> Iterator[None]:
    """Keep the agent's other processes from exchanging at the same time.

    Args:
        home: of the agent.
        patience: seconds to wait for another one to end.

    Raises:
        Busy: it didn't.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with platform.lock(home.settings.home / "exchange.lock"):
                yield
                return
        except platform.Locked:
            if time.monotonic() > deadline:
                raise Busy(f"another exchange of this agent has been going on for {patience:.0f} s") from None
            time.sleep(0.1)


def take_offline(home: Home, watch: Watch, *, gathered: bool = False) -> Outcome:
    """What can be done without a line: take the outbox for recipients that are known, deliver what is here.

    Args:
        home: of the agent.
        watch: what was seen of the outbox before.
        gathered: also prepare what is gathered for the next exchange time.
    """
    outcome, space = Outcome(), room.tend(home)
    crl.refresh(home)
    crl.check_age(home)
    renewal.watch(home)
    _intake(home, watch, outcome, None, space, gathered=gathered)
    _deliver(home, outcome, space)
    if home.settings.is_offline:
        remove_old(home, now())
        home.spool.note(tended_at=stamp())
    return outcome


def exchange(home: Home, client: HubClient, watch: Watch, *, gathered: bool = False) -> Outcome:
    """Exchange with the hub; call it within `alone`.

    Args:
        home: of the agent.
        client: of the hub.
        watch: what was seen of the outbox before.
        gathered: also send what is gathered for the next exchange time: somebody asked for this exchange.

    Raises:
        HubError: the hub can't be reached or refuses; what was done so far is kept.
        HubNotGenuine: what answers is not the hub.
        NotEnrolled: this machine has no certificate.
    """
    outcome, begin, space = Outcome(), time.monotonic(), room.tend(home)
    try:
        contact = establish(home, client)
    except HubError:
        _intake(home, watch, outcome, None, space, gathered=gathered)  # sealed and numbered, it waits for the line
        _deliver(home, outcome, space)
        raise
    roots.tend(home, client)
    profiles.declare(home, contact)
    if home.settings.is_ministry:
        renewing.hand_in(home, client)
    if not home.settings.is_ministry and directory.recall(home, MINISTRY) is None:
        directory.refresh(home, client, MINISTRY)  # known from now on, also when the line is down
    horizon = None if home.settings.is_ministry else horizons.fetch(home, contact)
    handed = publishing.begin(home)
    received = read_inbox(home, contact)
    if gaps.to_ask(home):
        home.spool.move_cursor(Cursor())
        read_inbox(home, contact)
    outcome.withheld = len(horizons.missing(home, horizon))
    outcome.parcels_received, outcome.receipts_received = received.parcels, received.receipts
    _intake(home, watch, outcome, contact, space, gathered=gathered)
    reseal_all(home, contact)
    sent = send_all(home, contact)
    settling.return_receipts(home, contact)
    outcome.parcels_sent, outcome.bytes_sent = sent.parcels, sent.bytes
    if handed is not None:
        publishing.publish(home, contact, handed)
    if space.to_deliver:
        outcome.bytes_received = fetch_all(home, contact)
    _deliver(home, outcome, space)
    if passed := settling.begin_behind(home, contact):
        outcome.quarantined = max(0, outcome.quarantined - passed)
        _deliver(home, outcome, space)
    outcome.gaps = len(gaps.watch(home))
    outcome.receipts_sent = _send_receipts(home, contact)
    line.carry(home, contact)
    remove_old(home, now())
    outcome.seconds = time.monotonic() - begin
    home.spool.note(exchanged_at=stamp(), exchange_seconds=f"{outcome.seconds:.3f}")
    log.info("%s", outcome)
    return outcome


def _intake(
    home: Home, watch: Watch, outcome: Outcome, contact: Contact | None, space: Room, *, gathered: bool
) -> None:
    if not space.to_take:
        return

    def recipient_of(party: Party) -> VerifiedParty | None:
        if not _stream_has_begun(home, party, contact):
            return None
        if contact is None:
            return directory.recall(home, party)
        return directory.current(home, contact.client, party)

    def newest(party: Party) -> VerifiedParty | None:
        return None if contact is None else directory.refresh(home, contact.client, party)

    watch.vouch(bridge.tend(home).fetched)
    taken = take_all(home, watch, Recipients(recipient_of, newest))
    release_due(home, recipient_of, gathered=gathered)
    outcome.notices_taken, outcome.rows_rejected = taken.notices, taken.rejected
    outcome.files_waiting = taken.waiting


def _stream_has_begun(home: Home, party: Party, contact: Contact | None) -> bool:
    """A machine that replaced another goes on where that one stopped, and only the hub knows where that was."""
    begun = home.spool.outgoing.streams()
    missing = [stream for stream in STREAMS if (party, stream) not in begun] if home.keyring.took_over else []
    if not missing:
        return True
    if contact is None:
        return False
    for stream in missing:
        home.spool.outgoing.begin(party, stream, contact.client.stream(party, stream).next_sequence)
    return True


def _deliver(home: Home, outcome: Outcome, space: Room) -> None:
    if not space.to_deliver:
        return
    delivered = deliver_all(home)
    outcome.parcels_delivered += delivered.parcels
    outcome.notices_delivered += delivered.notices
    outcome.quarantined += delivered.quarantined


def _send_receipts(home: Home, contact: Contact) -> int:
    sent = 0
    for message in home.spool.incoming.receipts_to_send():
        try:
            contact.client.put_receipt(message.sender, message.id, signed_now(home, Receipt, message.receipt or b""))
        except NotFound:
            pass  # it came by medium and the hub never had it: its receipt goes back by medium
        except (NotAllowed, HubBusy):
            raise
        except HubRefused as error:
            home.alarm("receipt", message.id, str(error))
            continue
        else:
            sent += 1
        home.spool.incoming.receipt_sent(message, stamp())
    return sent
