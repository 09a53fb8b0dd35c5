"""What the hub's inbox holds comes into the spool: documents verified, sealed bytes fetched, continued after a cut."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from renkei.agent import settling
from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, now, stamp
from renkei.client.answers import InboxItem, InboxPage
from renkei.client.errors import BadAnswer, CursorGone, NotFound
from renkei.exchange.bindings import DirectoryEntry, RevokedError, VerifiedParty
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.mailbox import Arrival, Cursor, Entry, Receipting, Voiding, judge_receipt
from renkei.exchange.parcels import verify_manifest
from renkei.exchange.payloads import PART_SIZE, Manifest, Receipt, Void
from renkei.store.incoming import IncomingMessage, State
from renkei.store.spool import Peer

PAGE = 100
_PAGES = 10_000


class NotBelieved(Exception):
    """A document doesn't say what it may say; the text names the party and the fault."""


@dataclass(slots=True)
class Received:
    """What an exchange or a medium brought."""

    parcels: int = 0
    receipts: int = 0
    repeated: int = 0
    bytes: int = 0


def read_inbox(home: Home, contact: Contact) -> Received:
    """Read the inbox from the cursor to its end; what can't be believed is alarmed and looked at again later."""
    received = Received()
    before = cursor = home.spool.cursor
    if cursor.doubtful is not None and _is_time_to_look_again(home):
        home.spool.note(doubted_at=stamp())
        cursor = cursor.again()
    for _ in range(_PAGES):
        page, cursor = _next_page(contact, cursor)
        if not page.items:
            break
        for item in page.items:
            believed = _take_item(home, item, received, again=item.cursor <= before.read)
            cursor = cursor.passed(item.cursor, believed=believed)
        home.spool.move_cursor(cursor)
    if home.keyring.took_over and cursor.doubtful is None:
        home.spool.incoming.begin()
    return received


def _is_time_to_look_again(home: Home) -> bool:
    last = home.spool.fact("doubted_at")
    return last is None or abs(now() - parse_time(last)) >= timedelta(seconds=home.settings.exchange.directory_seconds)


def _next_page(contact: Contact, cursor: Cursor) -> tuple[InboxPage, Cursor]:
    try:
        return contact.client.inbox(cursor.read, PAGE), cursor
    except CursorGone:
        log.warning("the hub's inbox is shorter than it was; it is read again from its beginning")
        return contact.client.inbox(0, PAGE), Cursor()


def take(
    home: Home, kind: str, envelope: bytes, entry: DirectoryEntry, received: Received, *, witnessed: bool = False
) -> None:
    """Take one document that came with its signer's directory entry, by line or by medium.

    Args:
        home: of the agent.
        kind: manifest, receipt or void.
        envelope: the document.
        entry: its signer's.
        received: what is counted.
        witnessed: the hub has accepted it, and it accepts nothing of a revoked machine: what that says to have signed
            before counts, with an alarm. Of a medium nobody knows when it was written.

    Raises:
        NotBelieved: the entry or the signature doesn't hold, or the document isn't this party's business.
    """
    try:
        signed_at = _claimed_time(kind, envelope) if witnessed else None
        signer = home.anchor.verify_entry(entry, now(), signed_at=signed_at)
        if kind == "manifest":
            manifest = verify_manifest(envelope, signer, home.party)
            _take_manifest(home, manifest, envelope, entry, received)
        elif kind == "receipt":
            _take_receipt(home, Receipt.open(envelope, signer.signing_public_key), envelope, signer, received)
            if not witnessed:
                settling.expect_to_return(home, signer.party)
        else:
            _take_void(home, Void.open(envelope, signer.signing_public_key), envelope, signer)
    except ExchangeError as error:
        raise NotBelieved(str(error)) from error
    if signer.revoked_at is not None:
        _tell_of_revoked(home, kind, signer)
        return
    _remember(home, signer, entry)


def fetch_all(home: Home, contact: Contact) -> int:
    """Fetch the sealed bytes of what was announced, each from where it stands; how many bytes came."""
    fetched = 0
    for message in home.spool.incoming.in_state(State.ANNOUNCED):
        try:
            fetched += _fetch(home, contact, message)
        except (NotFound, BadAnswer) as error:
            home.alarm("content", message.id, str(error))
    return fetched


def finish(home: Home, message: IncomingMessage) -> bool:
    """Check the bytes of a message against its manifest: fetched when they agree, thrown away when not."""
    sealed = home.spool.incoming.sealed(message)
    try:
        manifest = Manifest.open(message.manifest, verified_sender(home, message).signing_public_key)
    except RevokedError:
        home.spool.incoming.mark(message, State.FETCHED)  # delivery verifies it once more, and holds it back by name
        return True
    if hashlib.sha256(sealed).hexdigest() != manifest.envelope_sha256:
        home.spool.incoming.drop_pieces(message)
        text = f"the bytes of message {message.id} of {message.sender} are not those that it signed for; fetched again"
        home.alarm("content", message.id, text)
        return False
    home.spool.incoming.mark(message, State.FETCHED)
    home.spool.settle("content", message.id)
    return True


def verified_sender(home: Home, message: IncomingMessage) -> VerifiedParty:
    """The sender of a message, as it was vouched for when its manifest came.

    Raises:
        RevokedError: it is known by now that its certificate had been revoked before it signed.
    """
    entry, manifest = DirectoryEntry.from_json(message.entry), Manifest.read(peek(message.manifest).payload)
    return home.anchor.verify_entry(entry, parse_time(message.announced_at), signed_at=manifest.created_at)


def _claimed_time(kind: str, envelope: bytes) -> datetime:
    """When a document says that it was signed; that is believed as far as its signer is."""
    payload = peek(envelope).payload
    match kind:
        case "manifest":
            return Manifest.read(payload).created_at
        case "receipt":
            return Receipt.read(payload).received_at
        case _:
            return Void.read(payload).voided_at


def _tell_of_revoked(home: Home, kind: str, signer: VerifiedParty) -> None:
    if signer.revoked_at is not None:
        text = (
            f"a {kind} came that {signer.party}/{signer.terminal} signed before its certificate was revoked on "
            f"{format_time(signer.revoked_at)}: it counts, as the hub had accepted it; if the key was stolen, not only "
            "lost, ask the party whether it is theirs"
        )
        home.alarm("revoked", f"{signer.party}/{signer.terminal}", text)


def _take_item(home: Home, item: InboxItem, received: Received, *, again: bool) -> bool:
    """Take one thing of the inbox, perhaps `again`; false when it can't be believed."""
    subject = f"{item.kind} {item.cursor}"
    try:
        take(home, item.kind, item.envelope, item.entry, received, witnessed=True)
    except NotBelieved as error:
        home.alarm("document", subject, f"the hub handed over a {item.kind} that is none: {error}")
        return False
    if again:
        home.spool.settle("document", subject)
    return True


def _take_manifest(home: Home, manifest: Manifest, envelope: bytes, entry: DirectoryEntry, received: Received) -> None:
    message = IncomingMessage(
        sender=manifest.sender,
        id=str(manifest.id),
        stream=manifest.stream,
        sequence=manifest.sequence,
        count=manifest.count,
        manifest=envelope,
        entry=entry.to_json().decode(),
        content_sha256=manifest.content_sha256,
        size=manifest.envelope_size,
        announced_at=stamp(),
    )
    match home.spool.incoming.announce(message):
        case Arrival.HOLD:
            received.parcels += 1
        case Arrival.REPLACE:
            received.repeated += 1
            home.spool.settle("quarantine", message.id)  # it was sealed to the terminal before this one
        case Arrival.IGNORE | Arrival.REPEAT_RECEIPT:
            received.repeated += 1
        case Arrival.REFUSE:
            raise NotBelieved(
                f"{manifest.sender} offers message {manifest.id} as {manifest.stream} {manifest.sequence}, "
                "a place or an id that another message has"
            )


def _take_receipt(home: Home, receipt: Receipt, envelope: bytes, signer: VerifiedParty, received: Received) -> None:
    if receipt.recipient != signer.party or receipt.sender != home.party:
        raise NotBelieved(
            f"{signer.party} signed a receipt of {receipt.recipient} for a message of {receipt.sender}, "
            f"this is {home.party}"
        )
    message = home.spool.outgoing.message(str(receipt.id))
    if message is None and home.keyring.took_over:
        return  # for a message of the machine that was here before
    said = Entry(receipt.stream, receipt.sequence, str(receipt.id), receipt.content_sha256)
    sent = message if message is not None and message.recipient == receipt.recipient else None
    receipted = sent is not None and sent.receipted_at is not None
    match judge_receipt(sent.entry if sent else None, said, receipted=receipted):
        case Receipting.SETTLE:
            home.spool.outgoing.receipt(said.id, envelope, stamp())
            received.receipts += 1
        case Receipting.REPEATED:
            received.repeated += 1
        case Receipting.UNKNOWN:
            raise NotBelieved(f"{signer.party} signed a receipt for message {said.id}, which was never sent to it")
        case Receipting.OTHER_CONTENT:
            raise NotBelieved(f"{signer.party} signed a receipt for other content than message {said.id} has")


def _take_void(home: Home, void: Void, envelope: bytes, signer: VerifiedParty) -> None:
    if void.sender != signer.party or void.recipient != home.party:
        raise NotBelieved(f"{signer.party} voids a message from {void.sender} to {void.recipient}")
    voiding = home.spool.incoming.void(void.sender, void.stream, void.sequence, envelope)
    late = "" if voiding is Voiding.PASS_OVER else " (too late: it is here, as its receipt says)"
    log.warning("%s voided %s %d%s: %s", void.sender, void.stream, void.sequence, late, void.reason)


def _remember(home: Home, signer: VerifiedParty, entry: DirectoryEntry) -> None:
    known = home.spool.peer(signer.party)
    if known is None or known.generation < signer.generation:
        home.spool.pin(Peer(signer.party, signer.generation, signer.fingerprint, entry.to_json().decode(), stamp()))


def _fetch(home: Home, contact: Contact, message: IncomingMessage) -> int:
    start = position = home.spool.incoming.fetched_bytes(message)
    waiting = bytearray()
    if position < message.size:
        try:
            for piece in contact.client.content(message.sender, message.id, message.size, position):
                waiting += piece
                if len(waiting) >= PART_SIZE:
                    home.spool.incoming.add_piece(message, position, bytes(waiting))
                    position += len(waiting)
                    waiting.clear()
        finally:
            if waiting:  # also what came before a cut is kept
                home.spool.incoming.add_piece(message, position, bytes(waiting))
                position += len(waiting)
    if position < message.size:
        raise BadAnswer(f"the hub has {position} of the {message.size} bytes of message {message.id}")
    finish(home, message)
    return position - start
