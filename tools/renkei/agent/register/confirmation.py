"""A person's word on a notice about a 特別永住者: it goes into the register, or the ministry hears why it doesn't."""

from renkei.agent.home import Home, log, stamp
from renkei.agent.register import sheets
from renkei.agent.register.answers import result_of, waiting
from renkei.domain.notices import InvalidNotice
from renkei.store.standings import Import


class BadReason(Exception):
    """A reason that a result can't carry; the text says why."""


def confirm(home: Home, number: str) -> Import:
    """Let a notice go into the register, after earlier ones about the same person.

    Raises:
        NotWaiting: it isn't here or waits for nobody's word.
    """
    found = home.spool.imports.confirm(number, stamp())
    log.info("notice %s was confirmed and is %s", number, found.standing)
    sheets.tend(home)
    return found


def refuse(home: Home, number: str, reason: str) -> Import:
    """Keep a notice out of the register; the ministry gets a result with the reason at the next exchange.

    Args:
        home: of the agent.
        number: of the notice.
        reason: why, for the ministry; one line of at most 200 characters.

    Raises:
        NotWaiting: it isn't here or waits for nobody's word.
        BadReason: the reason can't travel in a result.
    """
    found = home.spool.imports.waiting(number)
    try:
        answer = waiting(result_of(home, found.refused(reason)))
    except InvalidNotice as error:
        raise BadReason(str(error)) from error
    refused = home.spool.imports.refuse(number, reason, stamp(), answer)
    log.info("notice %s was refused", number)
    sheets.tend(home)
    return refused
