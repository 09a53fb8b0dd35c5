"""Whether two notices are about one person."""

import datetime as dt
from typing import Any

import pytest

from renkei.domain.identity import identify, same_person
from renkei.domain.notices import CardIssueNotice, StatusNotice

WANG = {
    "number": "S-1",
    "municipality": "131041",
    "notified_on": dt.date(2026, 11, 20),
    "cause": "変更",
    "changed_items": "在留資格",
    "changed_on": dt.date(2026, 11, 20),
    "category": "中長期在留者",
    "name": "WANG SHUILI",
    "birth_date": "1990-01-31",
    "sex": "女",
    "nationality": "中国",
    "status": "留学",
    "period": "1年",
    "expires_on": dt.date(2027, 11, 20),
    "card_number": "AB12345678CD",
}
NEW_CARD = {"number": "S-2", "card_number": "ZZ00000000ZZ"}


def notice(**changes: Any) -> StatusNotice:
    return StatusNotice(**(WANG | changes))


@pytest.mark.parametrize(
    "later",
    [
        {"number": "S-2", "name": "WANG MARRIED"},  # the same card
        {**NEW_CARD, "changed_items": "在留カード番号"},  # name, birth and sex
        {**NEW_CARD, "name": "LI MEI", "birth_date": "1971-01-01", "corrects": "S-1"},
        {**NEW_CARD, "name": "WANG MARRIED", "changed_items": "氏名、在留カード番号"},  # birth, sex and nation are left
        {**NEW_CARD, "birth_date": "1990-01-30", "changed_items": "生年月日、在留カード番号"},
    ],
)
def test_one_person(later: dict[str, Any]) -> None:
    assert same_person(identify(notice()), identify(notice(**later)))


@pytest.mark.parametrize(
    "later",
    [
        {**NEW_CARD, "name": "LI MEI"},
        {**NEW_CARD, "birth_date": "1990-02-01"},
        {**NEW_CARD, "sex": "男"},
        # all that is in common is day of birth, sex and nationality, and no name has changed
        {**NEW_CARD, "name": "LI MEI", "changed_items": "在留カード番号"},
        {**NEW_CARD, "name": "LI MEI", "nationality": "韓国", "changed_items": "氏名、在留カード番号"},
    ],
)
def test_two_people(later: dict[str, Any]) -> None:
    assert not same_person(identify(notice()), identify(notice(**later)))


def test_only_the_later_notice_says_that_a_person_was_renewed() -> None:
    renewed = notice(**NEW_CARD, name="WANG MARRIED", changed_items="氏名、在留カード番号")
    assert not same_person(identify(renewed), identify(notice(number="S-3")))


def test_a_card_alone_is_enough() -> None:
    issued = CardIssueNotice(
        number="C-1", municipality="131041", issued_on=dt.date(2026, 11, 20), card_number="AB12345678CD"
    )
    assert same_person(identify(notice()), identify(issued))
    assert identify(issued).loose == frozenset()
