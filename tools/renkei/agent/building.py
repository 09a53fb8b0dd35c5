"""Notices become messages: cut into parcels, sealed to the recipient, signed, for the numbers that the spool gives."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import uuid4

from renkei.agent.home import Home, now
from renkei.agent.profiles import version_for
from renkei.domain.notices import Notice
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.parcels import Dispatch, build_parcel
from renkei.exchange.payloads import MAX_NOTICES, Mode
from renkei.store.outgoing import Draft


def builders(
    home: Home, notices: Sequence[Notice], recipient: VerifiedParty, mode: Mode
) -> list[Callable[[int], Draft]]:
    """Return a builder for each parcel of these notices; called with its sequence number it builds the message.

    Args:
        home: of the agent.
        notices: of one type, in order.
        recipient: whom to seal to.
        mode: as the manifest says it.

    Raises:
        EncodingError: the recipient reads no version of the encoding that this software writes. A builder raises it
            where the version that both know can't carry the notices.
    """
    version = version_for(home, recipient)
    return [
        partial(_build, home, notices[start : start + MAX_NOTICES], recipient, mode, version)
        for start in range(0, len(notices), MAX_NOTICES)
    ]


def _build(
    home: Home, notices: Sequence[Notice], recipient: VerifiedParty, mode: Mode, version: int, sequence: int
) -> Draft:
    dispatch = Dispatch(uuid4(), home.party, notices[0].STREAM, sequence, mode, now())
    parcel = build_parcel(notices, dispatch, home.keys().signer, recipient, version)
    return Draft(
        id=str(parcel.manifest.id),
        manifest=parcel.manifest_envelope,
        sealed=parcel.sealed,
        content=parcel.content,
        content_sha256=parcel.manifest.content_sha256,
        recipient_certificate_sha256=parcel.manifest.recipient_certificate_sha256,
        count=parcel.manifest.count,
        type=notices[0].TYPE,
        numbers=() if home.settings.is_ministry else tuple(notice.number for notice in notices),
    )
