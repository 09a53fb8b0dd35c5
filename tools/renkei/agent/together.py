"""Small parcels that wait go many in a request, of all streams together, each stream in its order.

It hands in what the hub takes and nothing else: where it refuses one, or what goes next isn't small, the rest of that
stream is left to `sending`, which knows what to do about it. An older hub gets nothing from here.
"""

from collections.abc import Iterable, Iterator, Sequence

from renkei.agent import settling
from renkei.agent.accepting import AcceptanceFault, Sent, verify
from renkei.agent.contact import Contact
from renkei.agent.home import Home, log
from renkei.agent.signing import is_signed_now
from renkei.client.errors import HubBusy, HubRefused, NotAllowed
from renkei.exchange.together import LIMIT, MOST, Batch
from renkei.store.outgoing import OutgoingMessage
from renkei.store.voids import SentVoid

Stream = tuple[str, str]
"""Recipient and name."""


def is_small(offered: OutgoingMessage | SentVoid) -> bool:
    """Whether it is a message that can go together with others."""
    return isinstance(offered, OutgoingMessage) and len(offered.sealed or b"") < LIMIT


def send_together(home: Home, contact: Contact, streams: Iterable[Stream], sent: Sent) -> None:
    """Offer what is small of some streams, as much in each request as fits.

    Raises:
        NotAllowed, HubBusy: the hub turns this machine away, or all of a request.
        HubError: as any request.
    """
    if not contact.client.takes_together:
        return
    held: set[Stream] = set()
    batch, messages = Batch(), list[OutgoingMessage]()
    for message in _small(home, contact, streams, held):
        fits = batch.add(message.manifest, message.sealed or b"")
        if not fits and messages:
            _offer(home, contact, batch, messages, held, sent)
            batch, messages = Batch(), []
            fits = _stream(message) not in held and batch.add(message.manifest, message.sealed or b"")
        if fits:
            messages.append(message)
        else:
            held.add(_stream(message))
    if len(messages) > 1:  # one alone is no better off here
        _offer(home, contact, batch, messages, held, sent)


def _small(home: Home, contact: Contact, streams: Iterable[Stream], held: set[Stream]) -> Iterator[OutgoingMessage]:
    """Yield what may go together, a stream after the other, each as far as nothing else has to go first."""
    for recipient, stream in streams:
        void = home.spool.voids.to_offer(recipient, stream, contact.epoch)
        after = 0
        while found := home.spool.outgoing.small_to_offer(
            recipient, stream, contact.epoch, after=after, largest=LIMIT, most=MOST
        ):
            for message in found:
                if (recipient, stream) in held or (void is not None and void.sequence < message.sequence):
                    break
                if not is_signed_now(home, message.manifest):
                    break
                yield message
            else:
                after = found[-1].sequence
                continue
            break


def _offer(
    home: Home, contact: Contact, batch: Batch, messages: list[OutgoingMessage], held: set[Stream], sent: Sent
) -> None:
    """Offer a batch and keep the acceptances; add to `held` the streams of which something was refused."""
    answers: Sequence[bytes | HubRefused]
    try:
        answers = contact.client.put_together(home.party, batch)
    except (NotAllowed, HubBusy):
        raise
    except HubRefused as error:
        log.warning("%d parcels go one by one: %s", len(messages), error)
        answers = [error] * len(messages)
    acceptances: dict[str, bytes | None] = {}
    had = set[str]()
    for message, answer in zip(messages, answers, strict=True):
        if isinstance(answer, bytes) and _holds(home, contact, message, answer):
            acceptances[message.id] = answer
            sent.add(message)
            if message.receipted_at:
                had.add(message.recipient)
        else:
            held.add(_stream(message))  # offered again alone, it says what is the matter
    settling.expect_to_return(home, *had)
    home.spool.outgoing.accept_all(acceptances, contact.epoch)


def _holds(home: Home, contact: Contact, message: OutgoingMessage, acceptance: bytes) -> bool:
    try:
        verify(home, contact, message, acceptance)
    except AcceptanceFault:
        return False
    return True


def _stream(message: OutgoingMessage) -> Stream:
    return message.recipient, message.stream
