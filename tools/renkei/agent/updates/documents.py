"""What the ministry signed for this terminal's updates: believed when it comes, and again whenever it is used.

    catalogue   the higher number counts, an older one is refused
    order       for this terminal, in its time, once: of two the one issued later counts
    permit      for an order that is here and hasn't ended; given later than the one before

Who signed must be the authority by the trust anchor, with a certificate that isn't revoked, today. A consent is between
people and the authority; no terminal takes it.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from renkei.agent.home import Home, log, now, stamp
from renkei.agent.updates.course import Course
from renkei.agent.updates.machine import Survey
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import DocumentError, Kind, payload_sha256, peek
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.updates import PERMIT_LASTS, Catalogue, Order, OrderError, Permit
from renkei.store.updates import Kept, KeptOrder

KINDS: Final = frozenset({Kind.CATALOGUE, Kind.ORDER, Kind.PERMIT})


class Replayed(OrderError):
    """The document was taken before and has done its work, or a later one has taken its place: it counts for nothing.

    A medium or a hub may bring it again at any time.
    """


_SKEW = timedelta(minutes=5)
"""How far clocks may differ before a document that lies in the future is refused."""

_RANK_DIGITS = 16


def take(home: Home, envelope: bytes, entry: DirectoryEntry) -> bool:
    """Take a document; false when it is here already.

    Args:
        home: of the agent.
        envelope: as it came.
        entry: its signer's directory entry.

    Raises:
        Replayed: it was taken before and has ended, or a later one is here.
        OrderError: it isn't for this terminal, or not of this time.
        ExchangeError: it isn't the authority's word, or isn't such a document.
    """
    key = home.anchor.verify_entry(entry, now(), AUTHORITY).signing_public_key
    kind = peek(envelope).kind
    if kind is Kind.CATALOGUE:
        return _take_catalogue(home, envelope, entry, key)
    if kind is Kind.ORDER:
        return _take_order(home, envelope, entry, key)
    if kind is Kind.PERMIT:
        return _take_permit(home, envelope, entry, key)
    raise DocumentError(f"a {kind} isn't for a terminal; it takes {', '.join(sorted(KINDS))}")


def signer_of(home: Home, entry: str, at: datetime) -> ec.EllipticCurvePublicKey:
    """Return the key of the authority by whose entry a kept document was believed, if it still is.

    Raises:
        BindingError: it isn't any more.
    """
    return home.anchor.verify_entry(DirectoryEntry.from_json(entry), at, AUTHORITY).signing_public_key


def read_order(home: Home, kept: KeptOrder, at: datetime) -> Order:
    """Return a kept order, believed anew.

    Raises:
        ExchangeError: it can't be believed any more.
    """
    return Order.open(kept.envelope, signer_of(home, kept.entry, at))


def catalogue(home: Home, at: datetime) -> Catalogue | None:
    """Return the newest catalogue, believed anew; None before the first.

    Raises:
        ExchangeError: it can't be believed any more.
    """
    kept = home.spool.updates.document(Kind.CATALOGUE)
    return None if kept is None else Catalogue.open(kept.envelope, signer_of(home, kept.entry, at))


def missing_of(known: Catalogue, survey: Survey) -> tuple[str, ...]:
    """Return what a machine lacks of a catalogue: for its version of Windows, and not superseded by its build."""
    major, revision = _parts(survey.build)
    lacking = []
    for update in known.updates:
        its_major, its_revision = _parts(update.build)
        if its_major == major and its_revision >= revision and update.kb not in survey.installed:
            lacking.append(update.kb)
    return tuple(lacking)


def _take_catalogue(home: Home, envelope: bytes, entry: DirectoryEntry, key: ec.EllipticCurvePublicKey) -> bool:
    new = Catalogue.open(envelope, key)
    _check_past(new.issued_at, "catalogue")
    rank = f"{new.number:0{_RANK_DIGITS}}"
    known = home.spool.updates.document(Kind.CATALOGUE)
    if known is not None and rank <= known.rank:
        if payload_sha256(known.envelope) == payload_sha256(envelope):
            return False
        raise Replayed(f"the catalogue {new.number} is older than {int(known.rank)}, which is here")
    home.spool.updates.keep(Kind.CATALOGUE, _kept(rank, envelope, entry), stamp())
    log.info("catalogue %d of updates, with %d", new.number, len(new.updates))
    return True


def _take_order(home: Home, envelope: bytes, entry: DirectoryEntry, key: ec.EllipticCurvePublicKey) -> bool:
    order = Order.open(envelope, key)
    here = home.party, home.settings.terminal
    if (order.endpoint, order.terminal) != here:
        raise OrderError(f"the order is for {order.endpoint}/{order.terminal}; this is {here[0]}/{here[1]}")
    known = home.spool.updates.order(str(order.id))
    if known is not None:
        if payload_sha256(known.envelope) != payload_sha256(envelope):
            raise OrderError(f"another order of the id {order.id} is here; the authority signed two")
        if known.ended_at is not None:
            raise Replayed(f"the order {order.id} ended at {known.ended_at}; an order counts once")
        return False
    _check_past(order.issued_at, "order")
    if now() >= order.expires:
        raise OrderError(f"the order {order.id} ended at {format_time(order.expires)}; ask for a new one")
    issued = format_time(order.issued_at)
    newer = next((each for each in home.spool.updates.orders(1) if each.issued_at >= issued), None)
    if newer is not None:
        raise Replayed(f"the order {order.id} was replaced: {newer.id} was issued later")
    course = Course(since=whole_seconds(now())).model_dump_json()
    kept = KeptOrder(str(order.id), issued, envelope, entry.to_json().decode(), course)
    taken = home.spool.updates.add_order(kept, stamp())
    log.info("order %s: %s %s", order.id, order.action, ", ".join(update.kb for update in order.updates))
    return taken


def _take_permit(home: Home, envelope: bytes, entry: DirectoryEntry, key: ec.EllipticCurvePublicKey) -> bool:
    permit = Permit.open(envelope, key)
    order = home.spool.updates.order(str(permit.order))
    if order is None or payload_sha256(order.envelope) != permit.order_sha256:
        raise OrderError(f"the permit is for the order {permit.order}, which isn't here")
    if order.ended_at is not None:  # it lies at the hub until the ministry has heard of the end
        raise Replayed(f"the permit is for the order {permit.order}, which ended at {order.ended_at}")
    rank = format_time(permit.given_at)
    known = home.spool.updates.document(Kind.PERMIT)
    if known is not None and rank <= known.rank:
        if payload_sha256(known.envelope) == payload_sha256(envelope):
            return False  # also when it has ended since: it lies at the hub while the machine works
        raise Replayed(f"the permit was given at {rank}, the one that is here at {known.rank}")
    if now() >= permit.expires:
        raise OrderError(f"the permit was good until {format_time(permit.expires)}; say ready again for another")
    _check_past(permit.given_at, "permit", PERMIT_LASTS)
    home.spool.updates.keep(Kind.PERMIT, _kept(rank, envelope, entry), stamp())
    return True


def _kept(rank: str, envelope: bytes, entry: DirectoryEntry) -> Kept:
    return Kept(rank, envelope, entry.to_json().decode())


def _check_past(at: datetime, what: str, skew: timedelta = _SKEW) -> None:
    """Refuse what was signed in the future: this machine's clock, or the ministry's, is wrong.

    Raises:
        OrderError: it was.
    """
    if at > now() + skew:
        raise OrderError(f"the {what} is of {format_time(at)}, here it is {stamp()}; check this machine's clock")


def _parts(build: str) -> tuple[int, int]:
    number, _, revision = build.partition(".")
    return int(number), int(revision)
