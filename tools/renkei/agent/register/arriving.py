"""What a parcel of the ministry sets off at an endpoint, noted together with its delivery and its receipt.

Notices about residents (法務省通知) go towards the register; those about 特別永住者 wait for a person's word. Results
say what became of notices sent from here. Inquiries are answered at once, from what the spool knows at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from renkei.agent.home import Home, stamp
from renkei.agent.register.answers import answer_to
from renkei.agent.register.rows import row_of
from renkei.agent.settings import Bridge
from renkei.domain.identity import identify
from renkei.domain.notices import SPECIAL_PERMANENT, ImportResult, Inquiry, Notice
from renkei.domain.notices_items import LIST_SEPARATOR
from renkei.store.dispatches import Dispatches, Waiting
from renkei.store.imports import Imports
from renkei.store.marks import Marks
from renkei.store.standings import Arrival, Standing

NAME, KANJI_NAME = "氏名", "漢字氏名"
_ECHOING = {"生年月日": "birth_date", "性別": "sex", "国籍・地域": "nationality"}


@dataclass(slots=True)
class Arriving:
    """The notices of one parcel, on their way into the spool.

    Attributes:
        reused: after the commit, the numbers that their sender had used before for another notice.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    results: list[ImportResult] = field(default_factory=list)
    answers: list[Waiting] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)

    def note(self, connection: apsw.Connection) -> None:
        """Note everything within the transaction that notes the delivery."""
        at = stamp()
        self.reused = Imports.receive(connection, self.arrivals, at)
        Dispatches.note_results(connection, self.results, at)
        Dispatches.keep(connection, self.answers, at)


def arriving(home: Home, notices: Sequence[Notice]) -> Arriving:
    """Prepare what a parcel of the ministry brings to an endpoint."""
    found, marks = Arriving(), Marks(home.settings.marks_key)
    for notice in notices:
        if isinstance(notice, Inquiry):
            found.answers.append(answer_to(home, notice))
            continue
        if isinstance(notice, ImportResult):
            found.results.append(notice)
        found.arrivals.append(arrival_of(home, marks, notice))
    return found


def arrival_of(home: Home, marks: Marks, notice: Notice) -> Arrival:
    """Describe a notice for the ledger."""
    row = row_of(notice)
    bridged = home.settings.bridge.kind is not Bridge.NONE
    identity = identify(notice)
    category = str(getattr(notice, "category", None) or "")
    noticed_on = getattr(notice, "notified_on", None)
    return Arrival(
        number=notice.number,
        type=notice.TYPE,
        category=category,
        noticed_on=noticed_on.isoformat() if noticed_on else "",
        standing=_beginning(notice, category, bridged=bridged),
        content_mark=marks.of(row),
        row=row if bridged else None,
        certain=marks.all(identity.certain),
        loose=marks.all(identity.loose),
        renewed=identity.renewed,
        kept=category == SPECIAL_PERMANENT,
        effects=tuple(effects(notice, marks).items()),
    )


def _beginning(notice: Notice, category: str, *, bridged: bool) -> Standing:
    if isinstance(notice, ImportResult):
        return Standing.READY if bridged else Standing.PASSED
    if not bridged:
        return Standing.HANDED
    return Standing.UNCONFIRMED if category == SPECIAL_PERMANENT else Standing.READY


def effects(notice: Notice, marks: Marks) -> dict[str, bytes]:
    """The marks of what a notice says the record has after it, by item, for those that it says have changed.

    A name counts by its Latin letters where it has them, or else by its kanji: the register may write these in
    another form than the ministry.
    """
    changed = str(getattr(notice, "changed_items", None) or "").split(LIST_SEPARATOR)
    found = {
        item: marks.of(f"{item} {getattr(notice, field_name)}")
        for item, field_name in _ECHOING.items()
        if item in changed
    }
    if NAME in changed:
        latin, kanji = getattr(notice, "name", None), getattr(notice, "kanji_name", None)
        item = NAME if latin else KANJI_NAME
        found[item] = marks.of(f"{item} {latin or kanji}")
    return found
