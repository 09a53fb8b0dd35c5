"""Receipts prove delivery: what has one isn't offered to a machine that took the place of the one which gave it.

A hub that was restored has lost receipts, and one that sees a stream for the first time, after a year on media, asks
for numbers whose bytes have gone. The machine that could repeat a receipt may be gone, too. Then the sender, who holds
the receipts, says so, and nobody waits:

    the hub has a message without its receipt    the sender returns the receipt             `return_receipts`
    the hub asks for what can't be offered       a settlement, signed by the sender         `settle`
    a new machine holds what it can't open       it asks for the sender's settlement        `begin_behind`
"""

from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, now
from renkei.client.answers import SignedWord
from renkei.client.errors import HubBusy, HubRefused, NotAllowed, NotFound
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.errors import ExchangeError
from renkei.exchange.mailbox import first_unsettled
from renkei.exchange.parties import Party
from renkei.exchange.payloads import MAX_RANGES, Settlement

_EPOCH = "receipts_epoch"
"""The epoch of the hub whose receipts were held against ours."""

_DUE = "receipts_due/"
"""Before the names of recipients whose receipts are still to be held against what the hub has."""


def expect_to_return(home: Home, *recipients: str) -> None:
    """Note that the hub may never get receipts of some recipients from themselves.

    They came by medium; or the hub was given anew what has one, and the machine that gave it may be gone before it can
    repeat it.
    """
    home.spool.note(**{f"{_DUE}{recipient}": "" for recipient in recipients})


def return_receipts(home: Home, contact: Contact) -> int:
    """Give the hub the receipts that it has lost or never got, once it has been given what they are for; how many."""
    if not contact.client.takes_settlements:
        return 0
    streams, returned = home.spool.outgoing.streams(), 0
    if home.spool.fact(_EPOCH) != str(contact.epoch):
        due = {f"{_DUE}{recipient}": "" for recipient, _ in streams}
        home.spool.note(**{_EPOCH: str(contact.epoch)}, **due)
    for recipient in home.spool.noted(_DUE):
        try:
            returned += sum(_return(home, contact, recipient, stream) for to, stream in streams if to == recipient)
        except (NotAllowed, HubBusy):
            raise
        except HubRefused as error:
            log.warning("a receipt of %s can't be returned to the hub yet: %s", recipient, error)
        else:
            home.spool.strike(f"{_DUE}{recipient}")
    return returned


def settle(home: Home, contact: Contact, recipient: str, stream: str, asked: int) -> bool:
    """Answer the hub, which asks for a number that can't be offered but has its receipt; whether it goes on."""
    envelope = _settlement(home, contact, recipient, stream, asked) if contact.client.takes_settlements else None
    if envelope is None:
        return False
    goes_on = contact.client.put_settlement(recipient, stream, envelope)
    home.spool.settlements.note(recipient, stream, goes_on, contact.epoch)
    log.info("%s to %s: %d to %d have receipts, the hub goes on behind them", stream, recipient, asked, goes_on - 1)
    return goes_on > asked


def begin_behind(home: Home, contact: Contact) -> int:
    """Let a machine that took another's place pass over what that one receipted; how many messages were dropped."""
    if not (home.keyring.took_over and contact.client.takes_settlements):
        return 0
    dropped = 0
    for sender, stream in home.spool.settlements.streams_waiting():
        try:
            settlement = _verified(home, contact.client.settlement(sender, stream), sender, stream)
        except NotFound:
            continue
        except ExchangeError as error:
            home.alarm("document", f"settlement {sender}/{stream}", f"{sender}'s settlement can't be believed: {error}")
            continue
        home.spool.settle("document", f"settlement {sender}/{stream}")
        for message in home.spool.settlements.begin_behind(sender, stream, settlement.ranges):
            dropped += 1
            for alarm in ("quarantine", "content"):
                home.spool.settle(alarm, message)
            log.info("message %s of %s was received by the machine that was here before", message, sender)
    return dropped


def _verified(home: Home, answer: SignedWord, sender: str, stream: str) -> Settlement:
    signer = home.anchor.verify_entry(answer.entry, now(), Party(sender))
    settlement = Settlement.open(answer.envelope, signer.signing_public_key)
    if (settlement.sender, settlement.recipient, settlement.stream) != (sender, home.party, stream):
        raise ExchangeError(f"it is of {settlement.sender}'s {settlement.stream} to {settlement.recipient}")
    return settlement


def _return(home: Home, contact: Contact, recipient: str, stream: str) -> int:
    returned = 0
    for each in contact.client.stream(recipient, stream).unreceipted:
        receipt = home.spool.settlements.receipt(each.id)
        if receipt is not None:
            contact.client.put_receipt(home.party, each.id, receipt)
            returned += 1
    if returned:
        envelope = _settlement(home, contact, recipient, stream)
        if envelope is not None:
            contact.client.put_settlement(recipient, stream, envelope)
        log.info("%d receipts of %s for %s were returned to the hub", returned, recipient, stream)
    return returned


def _settlement(home: Home, contact: Contact, recipient: str, stream: str, asked: int = 0) -> bytes | None:
    """Sign what is settled of a stream; None where that is nothing, or doesn't hold the number that is asked for."""
    live = _live(contact, recipient)
    found = home.spool.settlements.of(recipient, stream, live, whole=not home.keyring.took_over)
    ranges = [each for each in found if each[1] >= asked][:MAX_RANGES]
    if not ranges or (asked and first_unsettled(asked, ranges) == asked):
        return None
    return Settlement(
        sender=home.party,
        recipient=Party(recipient),
        stream="notices" if stream == "notices" else "results",
        settled=[list(each) for each in ranges],
        signed_at=now(),
    ).sign(home.keys().signer)


def _live(contact: Contact, recipient: str) -> set[str]:
    """The certificates that the recipient has by the hub's word, which can make us say no more than what is true."""
    try:
        entries = contact.client.directory(recipient).entries
    except NotFound:
        return set()
    return {fingerprint(certificate_from_pem(entry.certificate)) for entry in entries}
