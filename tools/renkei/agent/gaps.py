"""A gap in a stream that is received: what comes after it is held, the hub is asked, and a person is told since when.

At the hub a stream has no gaps, so what is missing here was lost on the way (a medium, a hub that was restored or
withholds) or passed over because it couldn't be believed. All that has no receipt yet still lies in the hub's inbox: to
ask is to read this again from its beginning. What isn't there either its sender must offer again, or void.
"""

from datetime import timedelta

from renkei.agent.home import Home, log, now
from renkei.exchange.clock import format_time, parse_time
from renkei.store.gaps import Gap

ASK_AGAIN = timedelta(hours=12)
"""Between two askings for the same number; the inbox of a large party is long."""

_ALARM = "gap"


def watch(home: Home) -> list[Gap]:
    """Alarm the gaps that stand, with how long they have stood; end the alarms of those that have closed."""
    gaps = home.spool.gaps()
    for gap in gaps:
        home.alarm(_ALARM, _subject(gap), _text(home, gap))
    standing = {_subject(gap) for gap in gaps}
    for alarm in home.spool.alarms():
        if alarm.kind == _ALARM and alarm.subject not in standing:
            home.spool.settle(_ALARM, alarm.subject)
            log.info("the gap in %s has closed", alarm.subject)
    return gaps


def to_ask(home: Home) -> bool:
    """Whether the hub is to be asked now for what is missing; noted, so that it isn't asked again at once."""
    moment, due = now(), False
    for gap in home.spool.gaps():
        name = f"gap_asked/{_subject(gap)}/{gap.first}"
        asked = home.spool.fact(name)
        if asked is None or parse_time(asked) + ASK_AGAIN <= moment:
            home.spool.note(**{name: format_time(moment)})
            due = True
    return due


def _subject(gap: Gap) -> str:
    return f"{gap.sender}/{gap.stream}"


def _text(home: Home, gap: Gap) -> str:
    numbers = f"number {gap.first}" if gap.first == gap.last else f"numbers {gap.first} to {gap.last}"
    hours, minutes = divmod(int((now() - parse_time(gap.since)).total_seconds()) // 60, 60)
    return (
        f"{numbers} of {gap.sender}'s {gap.stream} missing for {hours} h {minutes} min, {gap.held} parcels behind wait;"
        f" the hub is asked every {ASK_AGAIN.total_seconds() / 3600:.0f} h. Ask {gap.sender} to exchange, or to give it"
        f" up: renkei-agent void {home.party} {gap.stream} {gap.first} --reason TEXT"
    )
