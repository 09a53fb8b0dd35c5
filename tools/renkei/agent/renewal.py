"""A new certificate before the old one ends: asked for when two thirds of its life are over, with new keys."""

from datetime import datetime, timedelta

from renkei.agent import enrolment
from renkei.agent.enrolment import EnrolmentRefused
from renkei.agent.home import Home, log, now
from renkei.agent.settings import Link
from renkei.client.errors import HubBusy, HubRefused, HubUnreachable, NotFound
from renkei.client.hub import HubClient
from renkei.exchange.bindings import BindingError, VerifiedParty

_LATE = {Link.ONLINE: timedelta(days=30), Link.ON_DEMAND: timedelta(days=30), Link.MEDIA: timedelta(days=90)}
"""A certificate that ends this soon although renewal was due needs a person; a medium takes its time to come and go."""


def tend(home: Home, client: HubClient) -> None:
    """Ask for a renewal when it is due, or look for the answer; a failure is alarmed and tried again next time."""
    present = check(home)
    if present is None:
        return
    if not is_due(present):
        home.spool.settle("certificate", home.party)
        return
    try:
        _advance(home, client)
    except (EnrolmentRefused, HubRefused) as error:
        if not isinstance(error, HubBusy):
            home.alarm("certificate", home.party, f"renewal: {error}")
    except HubUnreachable:
        return
    _alarm_late(home, present)


def watch(home: Home) -> None:
    """Alarm a certificate that ends soon; where there is no line, `media.renewing` carries its renewal."""
    present = check(home) if home.keyring.current() is not None else None
    if present is not None:
        _alarm_late(home, present)


def check(home: Home) -> VerifiedParty | None:
    """The machine's own binding as it is now; None, with an alarm, when it isn't good: nothing but enrolment helps."""
    try:
        return home.anchor.verify_entry(home.keys().entry, now(), home.party)
    except BindingError as error:
        home.alarm("certificate", home.party, f"{error}; enrol this terminal anew")
        return None


def _alarm_late(home: Home, present: VerifiedParty) -> None:
    if is_due(present) and present.not_after - now() < _LATE[home.settings.link]:
        way = (
            "; export a medium for the ministry, and import the one that comes back" if home.settings.is_offline else ""
        )
        text = f"the certificate ends on {present.not_after:%Y-%m-%d} and isn't renewed{way}"
        home.alarm("certificate", home.party, text)


def is_due(present: VerifiedParty) -> bool:
    """Whether two thirds of a binding's life are over."""
    return now() >= due_at(present)


def due_at(present: VerifiedParty) -> datetime:
    """When two thirds of a binding's life are over."""
    return present.not_before + (present.not_after - present.not_before) * 2 / 3


def _advance(home: Home, client: HubClient) -> None:
    pending = home.keyring.prepare(home.party, home.settings.terminal)
    renewal_id = enrolment.submission(pending)
    if renewal_id is None:
        request = enrolment.fields(home, pending).prove_by_old_key(home.keys().signer)
        renewal_id = client.renew(request)
        enrolment.note_submission(pending, renewal_id)
        log.info("asked for a new certificate")
    try:
        answer = client.renewal(renewal_id)
    except NotFound as error:
        home.keyring.abandon()
        raise EnrolmentRefused("the hub doesn't know the request any more; asked again at the next exchange") from error
    enrolment.decide(home, pending, answer)
