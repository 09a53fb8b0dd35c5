"""Simulates how the immigration system imports what municipalities sent, and answers each notice with a result.

    from-municipalities/  → imported/           what was read
                          → to-municipalities/  取込結果 and answers to inquiries
    sent/                                       what it said before: it sends again what is asked for

A card's number is known once a notice of either side said it of a person; what is about a number that nobody bears is
answered by 未取込. A few notices are wrong: always the same ones. Killed at any point, the next run goes on and writes
the same answers again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path

from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import TYPES, CardIssueNotice, ImportResult, Inquiry, Notice
from renkei.domain.notices.results import FAILED, IMPORTED, PENDING, RESEND, UNKNOWN
from renkei.ministry.files import read_bounded, replace
from renkei.ministry.folders import FILE_LIMIT, is_notices

_ONE_IN = 16
_MODE = 0o640


@dataclass(slots=True)
class Imported:
    """What an import came to: notices by type, and results by outcome."""

    notices: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)


def import_all(folder: Path, today: date) -> Imported:
    """Import what lies in `folder/from-municipalities`, in the order of the names.

    Raises:
        OSError: a folder is missing or can't be written.
        InvalidLayout: a file isn't one of notices.
    """
    for name in ("imported", "sent"):
        (folder / name).mkdir(exist_ok=True)
    said = {notice.number: notice for notice in _all(folder / "sent")}
    cards = {card for notice in (*said.values(), *_all(folder / "imported")) for card in _cards(notice)}
    outcome = Imported()
    for path in sorted(filter(is_notices, (folder / "from-municipalities").iterdir())):
        notices = read(BytesIO(read_bounded(path, FILE_LIMIT)), TYPES).notices
        answers: list[Notice] = []
        for place, notice in enumerate(notices, start=1):
            outcome.notices[notice.TYPE] += 1
            answers += _answer(notice, f"I-{_mark(path.name)}-{place}", said, cards, today)
            cards |= _cards(notice)
        for kind in dict.fromkeys(type(each) for each in answers):
            part = [each for each in answers if type(each) is kind]
            name = f"{path.stem}-{kind.NAME}.csv"
            replace(folder / "to-municipalities" / name, write(part, Layout()), _MODE)
        outcome.results.update(each.result for each in answers if isinstance(each, ImportResult))
        path.rename(folder / "imported" / path.name)
    return outcome


@dataclass(slots=True)
class Account:
    """What became of some notices, of all imports so far, by municipality.

    Attributes:
        imported: how many of its notices were imported.
        answered: how many notices to it have which result.
        unanswered: the numbers of those that have none.
    """

    imported: Counter[str] = field(default_factory=Counter)
    answered: dict[str, Counter[str]] = field(default_factory=dict)
    unanswered: dict[str, list[str]] = field(default_factory=dict)


def account_of(folder: Path, part: str) -> Account:
    """Tell what became of the notices, of both directions, whose numbers contain `part`.

    Raises:
        OSError: a folder is missing.
        InvalidLayout: a file isn't one of notices.
    """
    account, results = Account(), {}
    for notice in _all(folder / "imported"):
        if isinstance(notice, ImportResult) and notice.result in {IMPORTED, FAILED}:
            results[notice.municipality, notice.target] = notice.result
        elif notice.STREAM == "notices" and part in notice.number:
            account.imported[notice.municipality] += 1
    for notice in (each for each in _all(folder / "sent") if part in each.number):
        result = results.get((notice.municipality, notice.number))
        if result is None:
            account.unanswered.setdefault(notice.municipality, []).append(notice.number)
        else:
            account.answered.setdefault(notice.municipality, Counter())[result] += 1
    return account


def _answer(notice: Notice, number: str, said: dict[str, Notice], cards: set[str], today: date) -> list[Notice]:
    if isinstance(notice, ImportResult):
        return []
    if isinstance(notice, Inquiry):
        if notice.kind == RESEND and notice.target in said:
            return [said[notice.target]]
        return [_result(notice, notice.target, number, UNKNOWN, today, reason="この番号の通知は送っていません。")]
    if isinstance(notice, CardIssueNotice) and notice.card_number not in cards:
        return [_result(notice, notice.number, number, PENDING, today, reason="このカード番号の該当者がいません。")]
    wrong = "card_number" in {item.field for item in notice.ITEMS} and getattr(notice, "card_number", None)
    if wrong and int(_mark(f"{notice.municipality} {notice.number}"), 16) % _ONE_IN == 0:
        item = "特定在留カード番号" if isinstance(notice, CardIssueNotice) else "在留カード番号"
        return [_result(notice, notice.number, number, FAILED, today, item=item, reason="失効したカードの番号です。")]
    return [_result(notice, notice.number, number, IMPORTED, today)]


def _result(
    notice: Notice,
    target: str,
    number: str,
    result: str,
    today: date,
    *,
    item: str | None = None,
    reason: str | None = None,
) -> ImportResult:
    return ImportResult(
        number=number,
        municipality=notice.municipality,
        target=target,
        result=result,
        error_item=item,
        reason=reason,
        processed_on=today,
    )


def _all(folder: Path) -> Iterable[Notice]:
    for path in sorted(filter(is_notices, folder.iterdir())):
        yield from read(BytesIO(read_bounded(path, FILE_LIMIT)), TYPES).notices


def _cards(notice: Notice) -> set[str]:
    """Return the numbers that a notice says of a person; a 特定在留カード交付通知 names nobody."""
    if isinstance(notice, CardIssueNotice):
        return set()
    found = {getattr(notice, name, None) for name in ("card_number", "certificate_number")}
    return {str(number) for number in found if number}


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
