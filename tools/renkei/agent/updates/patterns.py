"""Antivirus patterns that came by medium: believed, and handed to the part that may install.

    updates/patterns/patterns.json    the authority's word, {entry, envelope}; put after its package
    updates/patterns/FILE             the package

They need no order and no window: they restart nothing. Where the machine has these or later ones (a line brings some
every day), they go. The privileged part (`patterns_installing`) believes the authority's word anew, and Windows the
maker's signature.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from renkei.agent.files import put, read_bounded
from renkei.agent.home import Home, log, now
from renkei.agent.updates import orders, packages
from renkei.agent.updates.course import Step
from renkei.agent.updates.machine import Machine
from renkei.agent.updates.places import PatternsAnswer, Places, read
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.patterns import PATTERNS_FILE, Patterns, PatternState, rank
from renkei.exchange.signed import MAX_SIGNED, Signed
from renkei.exchange.updates import OrderError, PatchState
from renkei.store.updates import Said

AGAIN = timedelta(hours=1)
"""After patterns couldn't be installed."""

OLD = timedelta(hours=24)
"""Patterns of a word that is worth saying anew."""

_ASKED, _LOOKED = "patterns_asked_at", "patterns_looked_at"
_SKEW = timedelta(minutes=5)
_KIND, _SUBJECT = "patterns", "medium"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Patterns that are here: what the authority says of them, and the document."""

    patterns: Patterns
    signed: Signed


def read_patterns(text: bytes, anchor: TrustAnchor, at: datetime) -> Waiting:
    """Believe a document of patterns.

    Raises:
        ExchangeError: it isn't the authority's, or of the future.
    """
    signed = Signed.from_json(text)
    key = anchor.verify_entry(signed.entry, at, AUTHORITY).signing_public_key
    patterns = Patterns.open(signed.envelope, key)
    if patterns.issued_at > at + _SKEW:
        raise OrderError(f"the patterns are of {format_time(patterns.issued_at)}; check this machine's clock")
    return Waiting(patterns, signed)


def waiting(home: Home, at: datetime) -> Waiting | None:
    """Return the patterns that are here, believed anew; None where there are none.

    Raises:
        ExchangeError: they can't be believed any more.
        OSError: the document can't be read.
    """
    path = Places(home.settings.home).patterns / PATTERNS_FILE
    if not path.is_file():
        return None
    return read_patterns(read_bounded(path, MAX_SIGNED) or b"", home.anchor, at)


def take(home: Home, text: bytes, folder: Path) -> bool:
    """Take patterns whose package lies in a folder; false where these are here, or some that were signed later.

    The moment of signing counts, so that a version that was mistyped at the ministry can be set right. Nothing of a
    lower version than the machine's is ever installed; what by its last word it has already isn't even copied.

    Raises:
        ExchangeError: they can't be believed.
        PackageError: the package isn't the signed one, or has no room.
        OSError: it can't be copied; what was stays for the next time.
    """
    new, known, places = read_patterns(text, home.anchor, now()), None, Places(home.settings.home)
    try:
        known = waiting(home, now())
    except (ExchangeError, OSError) as error:
        log.warning("patterns that are here give way: %s", error)
    if known is not None and known.patterns.issued_at >= new.patterns.issued_at:
        return False
    told = told_of(home)
    if told is not None and rank(told.version) >= rank(new.patterns.version):
        return False
    packages.bring(folder / new.patterns.file, places.patterns, new.patterns)
    put(places.patterns / PATTERNS_FILE, new.signed.to_json(), home.settings.staging)
    _keep_only(places, new.patterns)
    log.info("%s are here, made at %s", new.patterns.label, format_time(new.patterns.made_at))
    return True


def told_of(home: Home) -> PatternState | None:
    """Return the patterns of this machine's last word; None where nothing is known of them."""
    newest = home.spool.updates.newest()
    return None if newest is None else PatchState.read(peek(newest.envelope).payload).patterns


def tend(home: Home, machine: Machine, moment: datetime) -> None:
    """Have patterns installed that are newer than the machine's; an order that is worked on goes first.

    Raises:
        MachineError: the machine can't be asked, or the privileged part can't be called.
    """
    try:
        here = waiting(home, moment)
    except (ExchangeError, OSError) as error:
        home.alarm(_KIND, _SUBJECT, f"the patterns that came by medium: {error}")
        return
    order = orders.counting(home)
    if here is None or (order is not None and orders.course_of(order).step is not Step.WAITING):
        return
    places, has = Places(home.settings.home), machine.survey().patterns
    if has is not None and rank(has.version) >= rank(here.patterns.version):
        _keep_only(places, None)
        home.spool.settle(_KIND, _SUBJECT)
        return
    answer = read(places.patterns_answer, PatternsAnswer)
    if answer is not None and answer.version == here.patterns.version and answer.problem:
        home.alarm(_KIND, _SUBJECT, f"{here.patterns.label} can't be installed: {answer.problem}")
    asked = home.spool.fact(_ASKED)
    if asked is None or abs(moment - parse_time(asked)) >= AGAIN:
        home.spool.note(**{_ASKED: format_time(moment)})
        machine.install_patterns()


def has_news(home: Home, machine: Machine, last: Said, moment: datetime) -> bool:
    """Tell whether the last word on this machine's patterns should be said anew before its time.

    So it is once some were installed from a medium. A word of old ones, such as that of a machine that was off for a
    weekend, is made good once newer ones are here, whichever way they came, and one of none once the antivirus says
    some; for that the machine is asked once an hour.

    Raises:
        MachineError: the machine can't be asked.
    """
    answer = read(Places(home.settings.home).patterns_answer, PatternsAnswer)
    if answer is not None and not answer.problem and answer.at > parse_time(last.at):
        return True
    told = PatchState.read(peek(last.envelope).payload).patterns
    if told is not None and parse_time(last.at) - told.made_at <= OLD:
        return False
    looked = home.spool.fact(_LOOKED)
    if looked is not None and abs(moment - parse_time(looked)) < AGAIN:
        return False
    home.spool.note(**{_LOOKED: format_time(moment)})
    has = machine.survey().patterns
    return has is not None and (told is None or rank(has.version) > rank(told.version))


def _keep_only(places: Places, patterns: Patterns | None) -> None:
    """Delete packages that aren't of these patterns; without any, the document first."""
    kept = set() if patterns is None else {PATTERNS_FILE, patterns.file}
    for path in sorted(places.patterns.iterdir(), key=lambda each: each.name != PATTERNS_FILE):
        if path.name not in kept and path.is_file():
            path.unlink(missing_ok=True)
