"""From the spool to whoever works with the notices, each stream in order, each parcel once; then its receipt is signed.

At an endpoint with a bridge to its register that is the spool's ledger: one transaction notes the notices, the
delivery and the signed receipt (`register.arriving`). Elsewhere it is the inbox folder:

1. The parcel is opened and written in full into the staging folder.
2. The spool notes the file's name (`written`).
3. The file is renamed into the inbox, where it may be taken away at once.
4. The spool notes the delivery together with the signed receipt.

A kill between 2 and 4 is finished by the next start: a file still staged wasn't delivered, one that is gone was.
"""

import json
from dataclasses import dataclass, replace
from uuid import UUID

from renkei.agent import files
from renkei.agent.home import Home, log, now, stamp
from renkei.agent.keys import Generation
from renkei.agent.receiving import verified_sender
from renkei.agent.register import bridge
from renkei.agent.register.arriving import Arriving, arriving
from renkei.agent.settings import Bridge
from renkei.agent.writing import write_notices
from renkei.domain.notices import Notice
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parcels import open_parcel
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Manifest, Receipt
from renkei.store.incoming import IncomingMessage, State


@dataclass(slots=True)
class Delivered:
    """What reached the inbox folder."""

    parcels: int = 0
    notices: int = 0
    quarantined: int = 0


def deliver_all(home: Home) -> Delivered:
    """Finish what a kill interrupted, then deliver whatever is next in its stream, and tend the bridge."""
    delivered = Delivered()
    for message in home.spool.incoming.in_state(State.WRITTEN):
        _finish(home, message, delivered)
    while ready := home.spool.incoming.deliverable():
        for message in ready:
            _deliver(home, message, delivered)
    bridge.tend(home)
    return delivered


def _deliver(home: Home, message: IncomingMessage, delivered: Delivered) -> None:
    try:
        notices = _open(home, message)
    except ExchangeError as error:
        _quarantine(home, message, str(error))
        delivered.quarantined += 1
        return
    if home.settings.bridge.kind is not Bridge.NONE:
        _note_delivery(home, message, notices, delivered)
        return
    name = f"{message.stream}-{message.sequence:08d}-{message.id[:8]}{home.settings.layout.suffix}"
    content = write_notices(home, f"{message.sender}: {name}", notices)
    files.stage(home.settings.staging / f"{message.sender}-{name}", content)
    home.spool.incoming.mark(message, State.WRITTEN, name)
    _finish(home, replace(message, state=State.WRITTEN, file=name), delivered)


def _open(home: Home, message: IncomingMessage) -> list[Notice]:
    sender = verified_sender(home, message)
    manifest = Manifest.open(message.manifest, sender.signing_public_key)
    keys = _keys_for(home, manifest)
    if keys is None:
        raise ExchangeError("it is sealed to a key that isn't on this machine; its sender will seal it anew")
    sealed = home.spool.incoming.sealed(message)
    opened = open_parcel(message.manifest, sealed, sender, home.party, keys.receiving_key)
    if opened.ignored:
        text = "message %s of %s has %d optional items that only newer software knows; they were passed over"
        log.warning(text, message.id, message.sender, opened.ignored)
    return opened.notices


def _keys_for(home: Home, manifest: Manifest) -> Generation | None:
    for generation in home.keyring.generations():
        if fingerprint(certificate_from_pem(generation.entry.certificate)) == manifest.recipient_certificate_sha256:
            return generation
    return None


def _finish(home: Home, message: IncomingMessage, delivered: Delivered) -> None:
    name = message.file or ""
    staged = home.settings.staging / f"{message.sender}-{name}"
    folder = home.settings.inbox / message.sender if home.settings.is_ministry else home.settings.inbox
    folder.mkdir(exist_ok=True)
    if staged.exists():
        files.move(staged, folder / name)
    # After a kill the notices are read once more: the ledger needs them, and the spool still has their bytes.
    _note_delivery(home, message, [] if home.settings.is_ministry else _open(home, message), delivered)


def _note_delivery(home: Home, message: IncomingMessage, notices: list[Notice], delivered: Delivered) -> None:
    receipt = Receipt(
        sender=Party(message.sender),
        recipient=home.party,
        stream="notices" if message.stream == "notices" else "results",
        sequence=message.sequence,
        id=UUID(message.id),
        content_sha256=message.content_sha256,
        received_at=now(),
    )
    news = arriving(home, notices) if notices else Arriving()
    home.spool.incoming.deliver(message, receipt.sign(home.keys().signer), stamp(), news.note)
    for number in news.reused:
        text = f"{message.sender} used the number {number} for two notices; the second is left alone: ask its sender"
        home.alarm("number", number, text)
    delivered.parcels += 1
    delivered.notices += message.count
    log.info("%s %d: %d notices of %s delivered", message.stream, message.sequence, message.count, message.sender)


def _quarantine(home: Home, message: IncomingMessage, reason: str) -> None:
    home.spool.incoming.mark(message, State.QUARANTINED)
    note = {"sender": message.sender, "id": message.id, "stream": message.stream, "sequence": message.sequence,
            "reason": reason, "at": stamp()}  # fmt: skip
    target = home.settings.rejected / f"quarantine-{message.sender}-{message.id}.json"
    files.put(target, json.dumps(note, ensure_ascii=False, indent=1).encode(), home.settings.staging)
    home.alarm("quarantine", message.id, f"message {message.id} of {message.sender} is held back: {reason}")
