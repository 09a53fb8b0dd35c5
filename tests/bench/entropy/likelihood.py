"""How much a simulated notice says: the exact probability with which the simulator makes it, in bits.

The floor for any code: on average nobody writes a notice in less. It is taken from the finished notice, not from the
draws behind it: what a notice doesn't show (the status of somebody who only moves) or what follows from the rest
(the last day of a stay just granted, the kanji that go with a reading) counts nothing, and of several ways to the same
notice all count. What the reader of a parcel knows beforehand is left out too: the day, the endpoint, the numbers.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from math import log2, perm

from renkei.domain.kanji import KanjiName
from renkei.domain.notices import SPECIAL_PERMANENT, Notice, ResidenceNotice, StatusNotice
from renkei.ministry import simulator
from renkei.ministry.people import GROUPS, add_months
from renkei.ministry.populations import BUILDINGS, CITIES, NATIONALITIES, STATUSES, TOWNS, Names, Nationality, Status

CARD_BITS = 4 * log2(26) + 8 * log2(10)
_NUMBERS = 7 * 40 * 20  # 丁目, 番, 号
_ROOMS = 9 * 8
_IN_BUILDING = 0.6
_NEAR_END = 4  # by so many days the end of a month may shift an expiry


def bits_of(notices: Sequence[Notice], today: date) -> float:
    """Return what notices made for the day `today` say, in bits."""
    return sum(_bits(notice, today) for notice in notices)


def _bits(notice: Notice, today: date) -> float:
    match notice:
        case ResidenceNotice():
            return CARD_BITS - log2(_residence(notice, today))
        case StatusNotice():
            return CARD_BITS - log2(_status(notice, today))
        case _:
            raise TypeError(f"the simulator makes no {notice.TYPE}")


def _residence(notice: ResidenceNotice, today: date) -> float:
    bases = dict(simulator._BASES)
    birth = date.fromisoformat(notice.birth_date)
    resident = [(share, status) for share, status in _statuses(_nation(notice)) if status.name != SPECIAL_PERMANENT]
    living = sum(share * _born(status, (today - birth).days) for share, status in resident)
    everybody = sum(
        each.weight * share
        for each in NATIONALITIES
        for share, status in _statuses(each)
        if status.name != SPECIAL_PERMANENT
    )
    happened = notice.settled_on or notice.moved_on
    latest = simulator._DAYS_TO_FILE
    ways = [max(today - timedelta(days), birth) for days in range(latest + 1)].count(happened or today)
    chance = _nation(notice).weight * living / everybody * _named(notice)
    chance *= bases[notice.basis] / sum(bases.values()) * ways / (latest + 1)
    chance *= _address(notice.address)
    if notice.previous_address is None:
        return chance
    within = notice.basis == "住基法23条"
    return chance * _address(notice.previous_address) * (1 if within else 1 / len(CITIES))


def _status(notice: StatusNotice, today: date) -> float:
    nation = _nation(notice)
    birth = date.fromisoformat(notice.birth_date)
    name = notice.status or SPECIAL_PERMANENT
    chance = nation.weight / sum(each.weight for each in NATIONALITIES) * _named(notice)
    share, status = next((share, status) for share, status in _statuses(nation) if status.name == name)
    chance *= share * _born(status, (today - birth).days)
    period = next((each for each in status.periods if simulator.period_text(each) == notice.period), None)
    if status.periods:
        chance /= len(status.periods)
    special = name == SPECIAL_PERMANENT
    changes = simulator._CHANGES_OF_SPECIAL if special else simulator._CHANGES
    possible = [
        change
        for change in changes
        if (period or not change.permission) and (not change.statuses or name in change.statuses)
    ]
    total = sum(change.weight for change in possible)
    shown = [
        change
        for change in possible
        if "、".join(change.items) == notice.changed_items and change.mistake == (notice.cause == "誤り")
    ]
    told = sum(
        change.weight / total * (1.0 if period is None or change.permission else _expiring(notice, period))
        for change in shown
    )
    return chance * told / (simulator._DAYS_TO_NOTICE + 1)


def _expiring(notice: StatusNotice, period: tuple[int, int]) -> float:
    """The chance of the last day of a stay that was granted some time ago and hasn't run out."""
    years, months = period
    span = 365 * years + 30 * months
    if notice.expires_on is None:
        return 0.0
    about = (notice.changed_on - add_months(notice.expires_on, -12 * years - months)).days
    near = range(max(0, about - _NEAR_END), min(span, about + _NEAR_END + 1))
    ends = [add_months(notice.changed_on - timedelta(days), 12 * years + months) for days in near]
    return ends.count(notice.expires_on) / span


def _nation(notice: ResidenceNotice | StatusNotice) -> Nationality:
    return next(each for each in NATIONALITIES if each.name == notice.nationality)


@cache
def _statuses(nation: Nationality) -> list[tuple[float, Status]]:
    """Every status with its share among a nationality's people."""
    weights = {group: getattr(nation, group) for group in GROUPS}
    return [
        (weights[group] / sum(weights.values()) * status.weight / sum(each.weight for each in STATUSES[group]), status)
        for group in GROUPS
        if weights[group]
        for status in STATUSES[group]
    ]


def _born(status: Status, days: int) -> float:
    """The chance of an age of so many whole days: a piece of a triangular distribution."""
    youngest, oldest = status.ages
    low, high, mode = youngest * 365.25 + 1, (oldest + 1) * 365.25 - 1, (youngest * 2 + oldest) / 3 * 365.25

    def below(age: float) -> float:
        age = min(max(age, low), high)
        if age <= mode:
            return 0.0 if mode == low else (age - low) ** 2 / ((high - low) * (mode - low))
        return 1 - (high - age) ** 2 / ((high - low) * (high - mode))

    return below(days + 1) - below(days)


def _named(notice: ResidenceNotice | StatusNotice) -> float:
    """The chance of sex and name among a nationality's people."""
    names = _nation(notice).names
    pool = names.female if notice.sex == "女" else names.male
    ways = _ways_in_kanji(notice, names, pool) if names.kanji else _ways_in_latin(notice.name or "", names, pool)
    return sum(ways) / 2


def _ways_in_latin(name: str, names: Names, pool: Sequence[str]) -> Iterator[float]:
    total = sum(weight for _, weight in names.family)
    families = [(f"{family} ", weight / total) for family, weight in names.family] or [("", 1.0)]
    for family, weight in families:
        parts = name.removeprefix(family).split(" ")
        if name.startswith(family) and set(parts) <= set(pool) and len(set(parts)) == len(parts):
            yield weight * _drawn(names, pool, len(parts))


def _ways_in_kanji(notice: ResidenceNotice | StatusNotice, names: Names, pool: Sequence[str]) -> Iterator[float]:
    shown = notice.kanji_original or notice.kanji_name or ""
    form = str if notice.kanji_original else _converted
    total = sum(weight for _, weight in names.family)
    given = len(shown) - 1
    for pair, weight in names.family:
        kanji, reading = pair.split(":")
        if form(kanji) != shown[0] or not (notice.name or "").startswith(f"{reading} "):
            continue
        rest = (notice.name or "").removeprefix(f"{reading} ")
        matching = [[part for part in pool if form(part.split(":")[0]) == letter] for letter in shown[1:]]
        ways = sum(1 for chosen in _chosen(matching) if "".join(part.split(":")[1] for part in chosen) == rest)
        yield weight / total * ways * _drawn(names, pool, given)


def _chosen(matching: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    if not matching:
        yield ()
        return
    for head in matching[0]:
        for tail in _chosen(matching[1:]):
            if head not in tail:
                yield (head, *tail)


def _drawn(names: Names, pool: Sequence[str], parts: int) -> float:
    """The chance of given names in this order."""
    return names.given_parts.count(parts) / len(names.given_parts) / perm(len(pool), parts)


@cache
def _converted(kanji: str) -> str:
    return KanjiName.of(kanji).converted


def _town(address: str) -> str:
    before = address.partition("丁目")[0].rstrip("0123456789")
    return max((town for town in TOWNS if before.endswith(town)), key=len)


def _address(address: str) -> float:
    """The chance of an address within its municipality."""
    chance = TOWNS.count(_town(address)) / len(TOWNS) / _NUMBERS
    built = " " in address  # the building's name ends in the town's
    return chance * (_IN_BUILDING / (len(BUILDINGS) * _ROOMS) if built else 1 - _IN_BUILDING)
