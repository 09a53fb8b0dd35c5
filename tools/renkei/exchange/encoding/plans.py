"""The columns of each notice type in version 2: what their numbers are, what form each has, what each depends on.

A column's number is its place here and never changes: new columns are added at the end of their plan. What a column
depends on stands before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from renkei.domain.notices import (
    CardIssueNotice,
    ImportResult,
    Inquiry,
    Notice,
    RegisterNotice,
    ResidenceNotice,
    StatusNotice,
)


class Kind(Enum):
    """The form of a column."""

    COUNTER = auto()  # notices' numbers
    TEXT = auto()  # texts by rank, among those of the same `context`
    CHOICE = auto()  # places in the item's table by rank, among those of the same `context`
    LATEST = auto()  # days, by how long before the latest
    DAY = auto()  # days, by how long after `context`
    STAY = auto()  # days, by how long after the end of a stay: `context` and the notice's period
    BIRTH = auto()  # days of birth, by how long before `context`
    NAMES = auto()  # a name in Latin letters and one in kanji
    ORIGINAL = auto()  # a name in kanji before it was put into 正字: `context`
    ADDRESS = auto()
    CARD = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        kind: its form.
        fields: of the notice: one, or the two of NAMES.
        context: the field that it depends on.
        decided_by: the fields whose combination usually decides whether there is a value.
    """

    kind: Kind
    fields: tuple[str, ...]
    context: str = ""
    decided_by: tuple[str, ...] = ()


def _column(kind: Kind, field: str, context: str = "", *decided_by: str) -> Column:
    return Column(kind, (field,), context, decided_by)


_NUMBER = (_column(Kind.COUNTER, "number"), _column(Kind.TEXT, "municipality"))
_NAMES = (_column(Kind.CHOICE, "sex"), Column(Kind.NAMES, ("name", "kanji_name")))
_ADDED = (_column(Kind.ORIGINAL, "kanji_original", "kanji_name"), _column(Kind.COUNTER, "corrects"))

PLANS: Mapping[type[Notice], tuple[Column, ...]] = {
    ResidenceNotice: (
        *_NUMBER,
        _column(Kind.CHOICE, "basis"),
        _column(Kind.LATEST, "filed_on"),
        _column(Kind.TEXT, "nationality"),
        *_NAMES,
        _column(Kind.BIRTH, "birth_date", "filed_on"),
        _column(Kind.ADDRESS, "address"),
        _column(Kind.CARD, "card_number"),
        _column(Kind.DAY, "settled_on", "filed_on", "basis"),
        _column(Kind.DAY, "moved_on", "filed_on", "basis"),
        _column(Kind.ADDRESS, "previous_address", "", "basis"),
        *_ADDED,
    ),
    StatusNotice: (
        *_NUMBER,
        _column(Kind.LATEST, "notified_on"),
        _column(Kind.CHOICE, "category"),
        _column(Kind.CHOICE, "changed_items", "category"),
        _column(Kind.CHOICE, "cause", "changed_items"),
        _column(Kind.DAY, "changed_on", "notified_on"),
        _column(Kind.TEXT, "nationality", "category"),
        *_NAMES,
        _column(Kind.BIRTH, "birth_date", "notified_on"),
        _column(Kind.CHOICE, "status", "nationality", "category"),
        _column(Kind.TEXT, "period", "status", "category"),
        _column(Kind.STAY, "expires_on", "changed_on", "period"),
        _column(Kind.CARD, "card_number", "", "category"),
        _column(Kind.CARD, "certificate_number", "", "category"),
        _column(Kind.DAY, "permit_expires_on", "changed_on", "category"),
        *_ADDED,
    ),
    RegisterNotice: (
        *_NUMBER,
        _column(Kind.CHOICE, "cause"),
        _column(Kind.CHOICE, "action", "cause"),
        _column(Kind.LATEST, "processed_on"),
        _column(Kind.CHOICE, "category"),
        _column(Kind.TEXT, "nationality", "category"),
        *_NAMES,
        _column(Kind.BIRTH, "birth_date", "processed_on"),
        _column(Kind.ADDRESS, "address"),
        _column(Kind.CARD, "card_number", "", "category"),
        _column(Kind.CARD, "certificate_number", "", "category"),
        _column(Kind.CHOICE, "changed_items", "cause", "cause"),
        _column(Kind.ADDRESS, "previous_address", "", "changed_items"),
        _column(Kind.CHOICE, "basis", "cause", "cause"),
        _column(Kind.DAY, "filed_on", "processed_on", "basis"),
        _column(Kind.DAY, "departs_on", "processed_on", "cause"),
        _column(Kind.DAY, "event_on", "processed_on", "cause"),
        *_ADDED,
    ),
    CardIssueNotice: (
        *_NUMBER,
        _column(Kind.LATEST, "issued_on"),
        _column(Kind.CARD, "card_number"),
        _column(Kind.COUNTER, "corrects"),
    ),
    ImportResult: (
        *_NUMBER,
        _column(Kind.COUNTER, "target"),
        _column(Kind.CHOICE, "result"),
        _column(Kind.CHOICE, "error_item", "", "result"),
        _column(Kind.TEXT, "reason", "error_item", "result"),
        _column(Kind.LATEST, "processed_on"),
    ),
    Inquiry: (
        *_NUMBER,
        _column(Kind.CHOICE, "kind"),
        _column(Kind.COUNTER, "target"),
    ),
}
