"""Simulates what happens to residents in a few days, and every notice that it makes, consistent from party to party.

    notices = notices_of_lives({"131041": "東京都新宿区", "011011": "北海道札幌市中央区"}, 20, 1, date(2026, 11, 26))

The same arguments give the same lives wherever they are drawn: so the simulated immigration system and each simulated
register take their own part of one world, and a move out of A is a move into B.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

from renkei.domain.notices import (
    MID_TO_LONG,
    SPECIAL_PERMANENT,
    TRANSITIONAL,
    CardIssueNotice,
    Notice,
    RegisterNotice,
    ResidenceNotice,
    StatusNotice,
)
from renkei.domain.notices_items import Value
from renkei.ministry.people import People, Person
from renkei.ministry.simulator import address_in, period_text

_DAYS = 3
"""So many days ago a life begins at most; the last thing in it happens today."""


def notices_of_lives(places: Mapping[str, str], people: int, seed: int, today: date) -> list[list[Notice]]:
    """Make the notices of some people's lives, a list a person, each in the order in which they are made.

    Args:
        places: how addresses begin, by code of the endpoint: 東京都新宿区.
        people: how many.
        seed: of the chance; part of the notices' numbers, too.
        today: the last day; nothing in a notice lies after it.

    Raises:
        ValueError: no endpoint.
    """
    if not places:
        raise ValueError("name at least one endpoint")
    random = Random(f"lives {seed}")  # noqa: S311 - made-up people need no secrecy
    drawn = People(random, today)
    lives = []
    for number in range(1, people + 1):
        codes = list(places)
        first = codes[(number - 1) % len(codes)]  # everybody has somebody
        life = _Life(random, drawn, places, first, f"L{today:%Y%m%d}-{seed}-{number:05d}", today)
        life.live()
        lives.append(life.notices)
    return lives


@dataclass(slots=True)
class _Life:
    """Somebody's last days."""

    random: Random
    people: People
    places: Mapping[str, str]
    code: str
    number: str
    today: date
    notices: list[Notice] = field(default_factory=list)
    person: Person = field(init=False)
    address: str = field(init=False)
    day: date = field(init=False)

    def __post_init__(self) -> None:
        self.person = self.people.draw()
        self.address = address_in(self.random, self.places[self.code])
        self.day = max(self.today - timedelta(days=self.random.randint(0, _DAYS)), self.person.birth_date)

    def live(self) -> None:
        special = self.person.status == SPECIAL_PERMANENT
        begin, weights = zip(*(_OF_SPECIAL if special else _BEGINNINGS), strict=True)
        self.random.choices(begin, weights)[0](self)
        self.day = self.today
        if not special and self.random.random() < _SOMETHING_MORE and not self._has_ended:
            after, weights = zip(*_AFTERWARDS, strict=True)
            self.random.choices(after, weights)[0](self)

    @property
    def _has_ended(self) -> bool:
        last = self.notices[-1]
        return isinstance(last, RegisterNotice) and (last.action == "消除" or last.category == TRANSITIONAL)

    # what may happen

    def arrive(self) -> None:
        """Come from abroad (住基法30条の46)."""
        self._register("記載", "国外転入", basis="住基法30条の46", filed_on=self.day)
        self._residence("住基法30条の46", settled_on=self.day)

    def move(self) -> None:
        """Move to another municipality: out of the one, into the other (住基法24条, 22条)."""
        others = [code for code in self.places if code != self.code]
        if not others:
            self.move_within()
            return
        self._register("消除", "転出", basis="住基法24条", filed_on=self.day, departs_on=self.day)
        previous, self.code = self.address, self.random.choice(others)
        self.address = address_in(self.random, self.places[self.code])
        if self.person.status != SPECIAL_PERMANENT:
            self._residence("住基法22条", moved_on=self.day, previous_address=previous)
        self._register("記載", "転入", basis="住基法22条", filed_on=self.day)

    def move_within(self) -> None:
        """Move within the municipality (住基法23条)."""
        previous, self.address = self.address, address_in(self.random, self.places[self.code])
        if self.person.status != SPECIAL_PERMANENT:
            self._residence("住基法23条", moved_on=self.day, previous_address=previous)
        self._register(
            "修正", "転居", basis="住基法23条", filed_on=self.day, changed_items="住所", previous_address=previous
        )

    def leave(self) -> None:
        """Leave the country on the day planned (住基法24条)."""
        self._register("消除", "転出", basis="住基法24条", filed_on=self.day, departs_on=self.today)

    def bear(self) -> None:
        """Have a child here: it is entered as 経過滞在者 until it has a status (入管法22条の2)."""
        child = replace(self.person, birth_date=self.day, sex=self.random.choice(("女", "男")), kanji=None)
        family = child.name.split()[0]
        self.person = replace(child, name=f"{family} {self.random.choice(_CHILDREN)}")
        self._register("記載", "出生", category=TRANSITIONAL, card_number=None, event_on=self.day)

    def die(self) -> None:
        """Die (戸籍法86条)."""
        self._register("消除", "死亡", basis="戸籍法86条", filed_on=self.day, event_on=self.day)

    def naturalise(self) -> None:
        """Become Japanese (国籍法4条, 戸籍法102条の2)."""
        self._register("消除", "国籍取得", basis="戸籍法102条の2", filed_on=self.day, event_on=self.day)

    def renew(self) -> None:
        """Be given a longer stay and a new card, handed out by the municipality as a combined one."""
        self.person = replace(self.person, card=self.people.card())
        self._status("在留期間、在留期間の満了の日、在留カード番号" if self.person.period else "在留カード番号")
        self._note(CardIssueNotice, issued_on=self.day, card_number=self.person.card)

    def have_the_card_exchanged(self) -> None:
        """Lose the card and get another (入管法19条の12)."""
        self.person = replace(self.person, card=self.people.card())
        self._status("特別永住者証明書番号" if self.person.status == SPECIAL_PERMANENT else "在留カード番号")

    def be_corrected(self) -> None:
        """Have a misspelt record put right, and the correction corrected."""
        right = self.person
        self.person = replace(right, name=f"{right.name}U")
        self._register("修正", "職権修正", changed_items="氏名")
        for name in (f"{right.name}O", right.name):
            wrong, self.person = self.notices[-1].number, replace(right, name=name)
            self._register("修正", "職権修正", changed_items="氏名", corrects=wrong)

    # the notices

    def _register(self, action: str, cause: str, **more: Value) -> None:
        special = self.person.status == SPECIAL_PERMANENT
        values: dict[str, Value] = {
            **self._who(),
            "action": action,
            "cause": cause,
            "processed_on": self.day,
            "category": SPECIAL_PERMANENT if special else MID_TO_LONG,
            "address": self.address,
            "card_number": None if special else self.person.card,
            "certificate_number": self.person.card if special else None,
        }
        if more.get("category") == TRANSITIONAL:
            values["certificate_number"] = None
        self._note(RegisterNotice, **values | more)

    def _residence(self, basis: str, **more: Value) -> None:
        self._note(
            ResidenceNotice,
            **self._who(),
            basis=basis,
            filed_on=self.day,
            address=self.address,
            card_number=self.person.card,
            **more,
        )

    def _status(self, changed: str) -> None:
        person, special = self.person, self.person.status == SPECIAL_PERMANENT
        self._note(
            StatusNotice,
            **self._who(),
            notified_on=self.day,
            cause="変更",
            changed_items=changed,
            changed_on=self.day,
            category=SPECIAL_PERMANENT if special else MID_TO_LONG,
            status=None if special else person.status,
            period=None if special else period_text(person.period),
            expires_on=None if special else person.expiry(self.day),
            card_number=None if special else person.card,
            certificate_number=person.card if special else None,
        )

    def _who(self) -> dict[str, Value]:
        kanji = self.person.kanji
        return {
            "name": self.person.name,
            "kanji_name": kanji.converted if kanji else None,
            "kanji_original": kanji.original if kanji else None,
            "birth_date": self.person.birth_date.isoformat(),
            "sex": self.person.sex,
            "nationality": self.person.nationality,
        }

    def _note(self, kind: type[Notice], **values: Value) -> None:
        number = f"{self.number}-{len(self.notices) + 1}"
        self.notices.append(kind(number=number, municipality=self.code, **values))


_Happening = tuple[Callable[[_Life], None], float]
_BEGINNINGS: Sequence[_Happening] = (
    (_Life.arrive, 22),
    (_Life.move, 22),
    (_Life.move_within, 18),
    (_Life.renew, 16),
    (_Life.have_the_card_exchanged, 6),
    (_Life.leave, 6),
    (_Life.bear, 4),
    (_Life.be_corrected, 3),
    (_Life.die, 2),
    (_Life.naturalise, 1),
)
_AFTERWARDS: Sequence[_Happening] = ((_Life.move_within, 4), (_Life.renew, 4), (_Life.move, 2))
_OF_SPECIAL: Sequence[_Happening] = (
    (_Life.have_the_card_exchanged, 6),
    (_Life.move, 3),
    (_Life.move_within, 3),
    (_Life.die, 2),
    (_Life.naturalise, 1),
)
_SOMETHING_MORE = 0.3
_CHILDREN = ("MEI", "KEN", "SARA", "RIO", "LEO", "HANA")
