"""People who don't exist: drawn from `populations` by seed, with ages, names and statuses that fit each other."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from string import ascii_uppercase

from renkei.domain.kanji import KanjiName
from renkei.ministry.populations import NATIONALITIES, STATUSES, Names, Nationality, Status, Weighted

GROUPS = tuple(STATUSES)


@dataclass(frozen=True, slots=True)
class Person:
    """A foreign resident as a residence card shows one.

    `kanji` is the name as it was handed in and in 正字, None where the card has none; `period` is (years, months), None
    for 無期限.
    """

    name: str
    kanji: KanjiName | None
    birth_date: date
    sex: str
    nationality: str
    status: str
    period: tuple[int, int] | None
    card: str

    def expiry(self, permitted: date) -> date | None:
        """Return the last day of a stay that was permitted on a day, None for 無期限."""
        return add_months(permitted, 12 * self.period[0] + self.period[1]) if self.period else None


class People:
    """Draws people; the same seed draws the same ones."""

    def __init__(self, random: Random, today: date) -> None:
        """Draw from `random`; ages are those on the day `today`."""
        self._random = random
        self._today = today

    def draw(self) -> Person:
        """Draw one person."""
        random = self._random
        nationality = random.choices(NATIONALITIES, [each.weight for each in NATIONALITIES])[0]
        status = self._status(nationality)
        female = random.choice((False, True))
        name, kanji = self._name(nationality.names, female=female)
        return Person(
            name=name,
            kanji=kanji,
            birth_date=self._birth_date(status),
            sex="女" if female else "男",
            nationality=nationality.name,
            status=status.name,
            period=random.choice(status.periods) if status.periods else None,
            card=self.card(),
        )

    def card(self) -> str:
        """Draw a card number: two letters, eight digits, two letters."""
        random = self._random
        letters = "".join(random.choices(ascii_uppercase, k=4))
        return f"{letters[:2]}{random.randrange(10**8):08d}{letters[2:]}"

    def weighted(self, choices: Weighted) -> str:
        """Draw one of the choices by their weights."""
        return self._random.choices([name for name, _ in choices], [weight for _, weight in choices])[0]

    def _status(self, nationality: Nationality) -> Status:
        weights = [getattr(nationality, group) for group in GROUPS]
        group = STATUSES[self._random.choices(GROUPS, weights)[0]]
        return self._random.choices(group, [status.weight for status in group])[0]

    def _name(self, names: Names, *, female: bool) -> tuple[str, KanjiName | None]:
        """Draw (romanised name, name in kanji)."""
        pool = names.female if female else names.male
        parts = self._random.sample(pool, self._random.choice(names.given_parts))
        family = [self.weighted(names.family)] if names.family else []
        if not names.kanji:
            return " ".join([*family, *parts]), None
        pairs = [part.split(":") for part in (*family, *parts)]
        kanji = "".join(kanji for kanji, _ in pairs)
        return f"{pairs[0][1]} {''.join(reading for _, reading in pairs[1:])}", KanjiName.of(kanji)

    def _birth_date(self, status: Status) -> date:
        youngest, oldest = status.ages
        days = self._random.triangular(
            youngest * 365.25 + 1, (oldest + 1) * 365.25 - 1, (youngest * 2 + oldest) / 3 * 365.25
        )
        return self._today - timedelta(days=int(days))


def add_months(day: date, months: int) -> date:
    """Return the same day of the month so many months later, or the month's last where there is no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
