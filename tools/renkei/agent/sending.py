"""What waits in the spool goes to the hub, each stream in order, until the hub has signed for it.

Several small parcels go in one request (`together`); what is large, alone, or refused there goes one by one, which is
where every refusal finds its remedy.
"""

import hashlib
from collections.abc import Iterable

from renkei.agent import directory, settling
from renkei.agent.accepting import AcceptanceFault, Sent, verify
from renkei.agent.contact import Contact
from renkei.agent.home import Home, log
from renkei.agent.signing import is_signed_now, signed_now
from renkei.agent.together import is_small, send_together
from renkei.client.errors import (
    HubBusy,
    HubRefused,
    MissingParts,
    NotAllowed,
    Receipted,
    RecipientReplaced,
    WrongSequence,
)
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.documents import peek
from renkei.exchange.parcels import reseal
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Manifest, Void
from renkei.store.outgoing import OutgoingMessage
from renkei.store.voids import SentVoid


def send_all(home: Home, contact: Contact) -> Sent:
    """Offer every stream's messages; a stream that can't go on is alarmed and doesn't hold up the others."""
    sent = Sent()
    streams = home.spool.outgoing.streams()
    send_together(home, contact, streams, sent)
    for recipient, stream in streams:
        try:
            _send_stream(home, contact, recipient, stream, sent)
        except (NotAllowed, HubBusy):
            raise
        except (HubRefused, AcceptanceFault) as error:
            home.alarm("stream", f"{recipient}/{stream}", str(error))
        else:
            home.spool.settle("stream", f"{recipient}/{stream}")
    return sent


def reseal_all(home: Home, contact: Contact) -> int:
    """Seal anew what is sealed to a terminal that the recipient no longer has; how many messages."""
    resealed = 0
    for name, sealed_to in home.spool.outgoing.recipients_waiting().items():
        recipient = directory.current(home, contact.client, Party(name))
        if recipient is None or sealed_to == {recipient.fingerprint}:
            continue
        live = {
            fingerprint(certificate_from_pem(entry.certificate))
            for entry in contact.client.directory(recipient.party).entries
        }
        for message in home.spool.outgoing.unreceipted(name):
            if message.recipient_certificate_sha256 not in live:
                resealed += _reseal(home, message, recipient)
    if resealed:
        log.warning("%d parcels were sealed anew for terminals that replaced others", resealed)
    return resealed


def sign_anew(home: Home, message: OutgoingMessage, recipient: VerifiedParty | None) -> OutgoingMessage:
    """Put a message under the key of today, sealed anew for that: the one that signed it may have ended."""
    if recipient is None or not _reseal(home, message, recipient):
        return message
    return home.spool.outgoing.message(message.id) or message


def _reseal(home: Home, message: OutgoingMessage, recipient: VerifiedParty) -> bool:
    if message.content is None:
        return False
    parcel = reseal(_manifest(message), message.content, home.keys().signer, recipient)
    home.spool.outgoing.replace_envelope(message.id, parcel.manifest_envelope, parcel.sealed, recipient.fingerprint)
    return True


def _send_stream(home: Home, contact: Contact, recipient: str, stream: str, sent: Sent) -> None:
    asked_back = 0
    while (next_ := _next(home, contact, recipient, stream)) is not None:
        try:
            if isinstance(next_, SentVoid):
                _offer_void(home, contact, next_)
            else:
                if not is_signed_now(home, next_.manifest):
                    if next_.receipted_at and settling.settle(home, contact, recipient, stream, next_.sequence):
                        continue  # sealed anew it would come to another machine than the one that had it
                    next_ = sign_anew(home, next_, directory.current(home, contact.client, Party(recipient)))
                _send(home, contact, next_, sent)
            if not is_small(next_):
                send_together(home, contact, [(recipient, stream)], sent)  # what had to wait for it
        except WrongSequence as error:
            # The hub forgot some (restored), or they went by medium only: it gets them while they are still held, and
            # the word that they have their receipts once their bytes have gone.
            missing = error.expected
            if not asked_back < missing < next_.sequence:
                raise
            asked_back = missing
            if _is_here(home, recipient, stream, missing):
                home.spool.outgoing.offer_from(recipient, stream, missing)
                send_together(home, contact, [(recipient, stream)], sent)
            elif not settling.settle(home, contact, recipient, stream, missing):
                raise


def _send(home: Home, contact: Contact, message: OutgoingMessage, sent: Sent) -> None:
    acceptance: bytes | None
    try:
        acceptance = _offer(home, contact, message)
    except Receipted:
        # The recipient has it. Its receipt, which alone counts, comes by the inbox with its signer's entry.
        acceptance = None
    except RecipientReplaced:
        if message.receipted_at and settling.settle(home, contact, message.recipient, message.stream, message.sequence):
            return  # the machine that is gone had it: the one in its place must not get it again
        newest = directory.refresh(home, contact.client, Party(message.recipient))
        stale = newest is not None and newest.fingerprint != message.recipient_certificate_sha256
        if newest is None or not stale or not _reseal(home, message, newest):
            raise
        return
    if message.receipted_at:
        settling.expect_to_return(home, message.recipient)
    home.spool.outgoing.accept(message.id, contact.epoch, acceptance)
    sent.add(message)


def _next(home: Home, contact: Contact, recipient: str, stream: str) -> OutgoingMessage | SentVoid | None:
    """The lowest number of a stream that the hub has to hear of, a message or a void."""
    message = home.spool.outgoing.to_offer(recipient, stream, contact.epoch)
    void = home.spool.voids.to_offer(recipient, stream, contact.epoch)
    if message is None or void is None:
        return message or void
    return void if void.sequence < message.sequence else message


def _is_here(home: Home, recipient: str, stream: str, sequence: int) -> bool:
    """Whether a number can be offered again, as a message or as a void."""
    if home.spool.outgoing.held(recipient, stream, sequence) is not None:
        return True
    return any((each.stream, each.sequence) == (stream, sequence) for each in home.spool.voids.to(recipient))


def _offer_void(home: Home, contact: Contact, void: SentVoid) -> None:
    try:
        envelope = signed_now(home, Void, void.envelope)
        contact.client.put_void(void.recipient, void.stream, void.sequence, envelope)
    except Receipted:
        home.spool.voids.withdraw(void)
        what = f"{void.stream} {void.sequence} to {void.recipient}"
        home.alarm("void", f"{void.recipient}/{void.stream}", f"{what} was delivered before its void; it stands")
        return
    home.spool.voids.accept(void, contact.epoch)


def _offer(home: Home, contact: Contact, message: OutgoingMessage) -> bytes:
    sealed = message.sealed or b""
    acceptance = contact.client.put_whole(home.party, message.id, message.manifest, sealed)
    if acceptance is None:
        acceptance = _offer_in_parts(home, contact, message)
    verify(home, contact, message, acceptance)
    return acceptance


def _offer_in_parts(home: Home, contact: Contact, message: OutgoingMessage) -> bytes:
    parts = _parts(message)
    wanted: Iterable[str] = parts
    if len(parts) > 1:
        wanted = contact.client.missing_parts(list(parts))
    _put_parts(contact, parts, wanted)
    try:
        return contact.client.put_message(home.party, message.id, message.manifest)
    except MissingParts as error:
        _put_parts(contact, parts, error.missing)
        return contact.client.put_message(home.party, message.id, message.manifest)


def _put_parts(contact: Contact, parts: dict[str, bytes], wanted: Iterable[str]) -> None:
    for digest in wanted:
        if digest in parts:
            contact.client.put_part(parts[digest])


def _parts(message: OutgoingMessage) -> dict[str, bytes]:
    """The sealed bytes cut as the manifest says, by digest, in order."""
    sealed, start, parts = message.sealed or b"", 0, {}
    for part in _manifest(message).parts:
        piece = sealed[start : start + part.size]
        parts[hashlib.sha256(piece).hexdigest()] = piece
        start += part.size
    return parts


def _manifest(message: OutgoingMessage) -> Manifest:
    return Manifest.read(peek(message.manifest).payload)  # our own, from our own spool
