"""Simulates the two systems of record at the ends of the exchange: the immigration system and a resident register.

    notices = status_notices(["131041", "011011"], count=100, seed=1, today=date(2026, 11, 23))

Everybody in the notices is drawn from `people`; the same arguments give the same notices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from renkei.domain.notices import MID_TO_LONG, SPECIAL_PERMANENT, UNLIMITED, ResidenceNotice, StatusNotice
from renkei.ministry.people import People, Person
from renkei.ministry.populations import BUILDINGS, CITIES, TOWNS

_DAYS_TO_NOTICE = 3
_DAYS_TO_FILE = 14  # 住基法30条の46、入管法19条の7: within 14 days


@dataclass(frozen=True, slots=True)
class _Change:
    """What happened to a resident, which items the notice names, and to whom it can happen."""

    weight: int
    items: tuple[str, ...]
    permission: bool = False
    mistake: bool = False
    statuses: frozenset[str] = frozenset()


_PERMISSION = ("在留期間", "在留期間の満了の日", "在留カード番号")
_CHANGES = (
    _Change(45, _PERMISSION, permission=True),  # 在留期間更新 (入管法21条)
    _Change(22, ("在留資格", *_PERMISSION), permission=True),  # 在留資格変更 (入管法20条)
    _Change(4, ("在留資格", *_PERMISSION), statuses=frozenset({"永住者"})),  # 永住許可 (入管法22条)
    _Change(19, ("在留カード番号",)),  # 有効期間の更新, 再交付 (入管法19条の11から19条の13)
    _Change(6, ("氏名", "在留カード番号")),
    _Change(1, ("国籍・地域", "在留カード番号")),
    _Change(1, ("生年月日",), mistake=True),
    _Change(1, ("性別",), mistake=True),
)
_CHANGES_OF_SPECIAL = (
    _Change(19, ("特別永住者証明書番号",)),
    _Change(3, ("氏名", "特別永住者証明書番号")),
    _Change(1, ("生年月日",), mistake=True),
)

#: 届出区分 and how often: 転入, 転居, then what residents who arrived or became residents file.
_BASES = (("住基法22条", 42), ("住基法23条", 38), ("住基法30条の46", 17), ("住基法30条の47", 2), ("入管法19条の7", 1))
_ARRIVED = frozenset({"住基法30条の46", "住基法30条の47", "入管法19条の7"})


def status_notices(
    endpoints: Sequence[str], count: int, seed: int, today: date, *, originals: bool = False
) -> list[StatusNotice]:
    """Make notices of the ministry to municipalities (住基法30条の50), in the order of their numbers.

    Args:
        endpoints: codes; each gets one notice before any gets a second, the rest falls by chance.
        count: how many notices.
        seed: of the chance; part of the notices' numbers, too.
        today: the day of the notices.
        originals: names in kanji as they were handed in, too: an item of layout 2, which not everybody reads.

    Raises:
        ValueError: no endpoint.
    """
    if not endpoints:
        raise ValueError("name at least one endpoint")
    random = Random(f"status {seed}")  # noqa: S311 - made-up people need no secrecy
    people = People(random, today)
    chosen = [*endpoints[:count], *random.choices(endpoints, k=max(0, count - len(endpoints)))]
    random.shuffle(chosen)
    return [
        _status_notice(
            random, people.draw(), f"M{today:%Y%m%d}-{seed}-{number:06d}", endpoint, today, originals=originals
        )
        for number, endpoint in enumerate(chosen, start=1)
    ]


def residence_notices(
    endpoint: str, count: int, seed: int, today: date, place: str = "", *, originals: bool = False
) -> list[ResidenceNotice]:
    """Make notices of a municipality to the ministry (入管法施行令2条), in the order of their numbers.

    Args:
        endpoint: its code.
        count: how many notices.
        seed: of the chance; part of the notices' numbers, too.
        today: the day of the filings.
        place: prefecture and municipality, as addresses begin there.
        originals: as for `status_notices`.
    """
    random = Random(f"residence {endpoint} {seed}")  # noqa: S311 - made-up people need no secrecy
    people = People(random, today)
    return [
        _residence_notice(
            random,
            _mid_to_long(people),
            f"R{today:%Y%m%d}-{seed}-{number:06d}",
            (endpoint, place),
            today,
            originals=originals,
        )
        for number in range(1, count + 1)
    ]


def _status_notice(
    random: Random, person: Person, number: str, endpoint: str, today: date, *, originals: bool
) -> StatusNotice:
    special = person.status == SPECIAL_PERMANENT
    possible = [
        change
        for change in (_CHANGES_OF_SPECIAL if special else _CHANGES)
        if (person.period or not change.permission) and (not change.statuses or person.status in change.statuses)
    ]
    change = random.choices(possible, [each.weight for each in possible])[0]
    changed_on = today - timedelta(days=random.randint(0, _DAYS_TO_NOTICE))
    permitted = changed_on
    if person.period and not change.permission:
        # the stay was permitted some time ago and has not run out
        permitted -= timedelta(days=random.randrange(365 * person.period[0] + 30 * person.period[1]))
    return StatusNotice(
        number=number,
        municipality=endpoint,
        notified_on=today,
        cause="誤り" if change.mistake else "変更",
        changed_items="、".join(change.items),
        changed_on=changed_on,
        category=SPECIAL_PERMANENT if special else MID_TO_LONG,
        name=person.name,
        kanji_name=person.kanji.converted if person.kanji else None,
        kanji_original=person.kanji.original if person.kanji and originals else None,
        birth_date=person.birth_date.isoformat(),
        sex=person.sex,
        nationality=person.nationality,
        status=None if special else person.status,
        period=None if special else period_text(person.period),
        expires_on=None if special else person.expiry(permitted),
        card_number=None if special else person.card,
        certificate_number=person.card if special else None,
    )


def _residence_notice(
    random: Random, person: Person, number: str, where: tuple[str, str], today: date, *, originals: bool
) -> ResidenceNotice:
    endpoint, place = where
    basis = random.choices([name for name, _ in _BASES], [weight for _, weight in _BASES])[0]
    happened = max(today - timedelta(days=random.randint(0, _DAYS_TO_FILE)), person.birth_date)
    arrived = basis in _ARRIVED
    previous = address_in(random, place if basis == "住基法23条" else random.choice(CITIES))
    return ResidenceNotice(
        number=number,
        municipality=endpoint,
        basis=basis,
        filed_on=today,
        name=person.name,
        kanji_name=person.kanji.converted if person.kanji else None,
        kanji_original=person.kanji.original if person.kanji and originals else None,
        birth_date=person.birth_date.isoformat(),
        sex=person.sex,
        nationality=person.nationality,
        address=address_in(random, place),
        card_number=person.card,
        settled_on=happened if arrived else None,
        moved_on=None if arrived else happened,
        previous_address=None if arrived else previous,
    )


def _mid_to_long(people: People) -> Person:
    """Draw until it is somebody whose residence the ministry is told: not a 特別永住者 (入管法19条の3)."""
    while (person := people.draw()).status == SPECIAL_PERMANENT:
        pass
    return person


def period_text(period: tuple[int, int] | None) -> str:
    """Write a 在留期間 of (years, months) as cards do."""
    if period is None:
        return UNLIMITED
    years, months = period
    return (f"{years}年" if years else "") + (f"{months}月" if months else "")


def address_in(random: Random, place: str) -> str:
    """Draw an address at a place; nobody lives there."""
    town = random.choice(TOWNS)
    address = f"{place}{town}{random.randint(1, 7)}丁目{random.randint(1, 40)}番{random.randint(1, 20)}号"
    if random.choices((True, False), (6, 4))[0]:
        address += f" {random.choice(BUILDINGS)}{town}{random.randint(1, 9)}{random.randint(1, 8):02d}"
    return address
