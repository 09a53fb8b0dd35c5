"""The orders of a terminal: which one counts, and how far each is."""

from renkei.agent.home import Home, log, now
from renkei.agent.updates.course import Course, Step
from renkei.exchange.clock import format_time
from renkei.store.updates import KeptOrder


def counting(home: Home) -> KeptOrder | None:
    """The order that counts: one that was begun, or else the one issued last. Nothing is written for this."""
    unfinished = home.spool.updates.unfinished()
    begun = [each for each in unfinished if course_of(each).step is not Step.WAITING]
    return next(iter(begun or unfinished), None)


def active(home: Home) -> KeptOrder | None:
    """The order that counts; those that it replaced before they began end here."""
    chosen = counting(home)
    for each in home.spool.updates.unfinished():
        if chosen is not None and each.issued_at < chosen.issued_at:
            log.info("order %s: replaced by %s before it began", each.id, chosen.id)
            home.spool.updates.advance(each.id, each.course, [], format_time(now()))
    return chosen


def course_of(kept: KeptOrder) -> Course:
    """How far an order is."""
    return Course.model_validate_json(kept.course)
