"""Notices whose moment has come go into parcels: one transaction builds these and lets those wait no longer."""

from collections.abc import Callable, Sequence
from itertools import groupby

from renkei.agent.building import builders
from renkei.agent.home import Home, log, stamp
from renkei.agent.register.rows import notice_of
from renkei.domain.notices import InvalidNotice, Notice
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Mode
from renkei.store.dispatches import Waiting

_ALARM = "waiting"
RecipientOf = Callable[[Party], VerifiedParty | None]


def release_due(home: Home, recipient_of: RecipientOf, *, gathered: bool) -> int:
    """Build the parcels of what is due; how many notices.

    Args:
        home: of an endpoint's agent.
        recipient_of: gives the verified terminal to seal to, None when there is none yet: then they wait on.
        gathered: also those that are gathered for the next exchange time, because somebody asked for an exchange.
    """
    return release(home, home.spool.dispatches.due(stamp(), gathered=gathered), recipient_of)


def release(home: Home, waiting: Sequence[Waiting], recipient_of: RecipientOf) -> int:
    """Build the parcels of notices that waited, in their order; how many notices."""
    released = 0
    for (recipient, stream, _, mode), group in groupby(waiting, _together):
        notices, places = _read(home, list(group))
        terminal = recipient_of(Party(recipient)) if notices else None
        if terminal is None:
            continue
        chosen: Mode = "daily" if mode == "daily" else "immediate"
        subject = f"{recipient}/{notices[0].TYPE}"
        try:
            home.spool.outgoing.release(recipient, stream, builders(home, notices, terminal, chosen), places, stamp())
        except ExchangeError as error:
            home.alarm(_ALARM, subject, f"{len(notices)} notices for {recipient} can't go yet: {error}")
            continue
        home.spool.settle(_ALARM, subject)
        released += len(notices)
        log.info("%d notices (%s) released to %s", len(notices), notices[0].TYPE, recipient)
    return released


def _together(waiting: Waiting) -> tuple[str, str, str, str]:
    return waiting.recipient, waiting.stream, waiting.type, waiting.mode


def _read(home: Home, waiting: list[Waiting]) -> tuple[list[Notice], list[int]]:
    notices, places = [], []
    for each in waiting:
        try:
            notices.append(notice_of(each.type, each.row))
            places.append(each.place)
        except InvalidNotice as error:
            home.alarm(_ALARM, each.number, f"notice {each.number} waits and breaks a rule by now: {error}")
    return notices, places
