"""What would make a deadline hold where it is missed, in figures, worked out on the endpoint's own line."""

from dataclasses import dataclass

import numpy as np

from renkei.fleet.capacity.calendar import Habits
from renkei.fleet.capacity.country import SECONDS_AN_HOUR, Country, line_for, round_trip, usable
from renkei.fleet.capacity.fluid import Array, Course
from renkei.fleet.capacity.updates import CUMULATIVE, Month
from renkei.fleet.endpoints import Endpoint

_STEP_KBPS = 100


@dataclass(frozen=True, slots=True)
class Advice:
    """One change that would do: `line`, `window`, `delivery`, `media` or `spread`, in Japanese and in English."""

    kind: str
    ja: str
    en: str


def advise(country: Country, course: Course, month: Month, column: int, late: tuple[str, ...]) -> tuple[Advice, ...]:
    """Give what would help an endpoint that has a line: `column` is its place in the load."""
    endpoint = country.by_line[column]
    habits = country.habits[endpoint.code.value]
    found: list[Advice] = []
    if "update" in late:
        last = habits.latest(country.deadline, month.install_minutes, month.need_minutes)
        begin = 24.0 * country.begins[endpoint.ring] + month.cumulative.hour
        if last <= begin:
            return (_window(habits, month),)
        ahead = country.kinds.index(CUMULATIVE)
        size = sum(country.load.arrivals[kind, : int(last) + 1, column].sum() for kind in range(2, ahead + 1))
        size += country.load.arrivals[1, int(begin) : int(last), column].sum()
        found += _faster(endpoint, habits, month, float(size), (begin, last))
        if not found:
            found.append(_spread(country, course))
        if not any(each.kind in {"line", "spread"} for each in found) or country.load.line[column] < _slow(country):
            found += _medium(country, endpoint, habits, month)
    if "patterns" in late:
        found += _faster(endpoint, habits, month, *_worst_day(habits, month)) or [_spread(country, course)]
    return tuple({(each.kind, each.en): each for each in found}.values())


def advise_medium(
    country: Country, endpoint: Endpoint, month: Month, ready: float, late: tuple[str, ...]
) -> tuple[Advice, ...]:
    """Give what would help an endpoint on media, whose first medium is read at `ready` hours."""
    habits = country.habits[endpoint.code.value]
    found = []
    if "update" in late:
        last = habits.latest(country.deadline, month.install_minutes, month.need_minutes)
        if last == -np.inf:
            found.append(_window(habits, month))
        else:
            days = int(np.ceil((ready - last) / 24))
            found.append(
                Advice(
                    "media",
                    f"媒体を{days}日早く到着させる（{endpoint.ring}より前の配布群に移す、または別便で送る）",
                    f"let the medium arrive {days} days earlier: an earlier ring than {endpoint.ring}, or a courier",
                )
            )
    if "patterns" in late:
        found.append(
            Advice(
                "media",
                f"休日の前に媒体を追加で1回送る（通常は{month.media.every_days}日ごと）",
                f"send one medium more before the holidays (there is one every {month.media.every_days} days)",
            )
        )
    return tuple(found)


def _faster(
    endpoint: Endpoint, habits: Habits, month: Month, size: float, between: tuple[float, float]
) -> list[Advice]:
    """Give the line, or the delivery limit, with which so many bytes come in the time; nothing if they do as it is."""
    begin, end = between
    shared = _hours(habits.share, begin, end)
    whole = float(end - begin)
    rate = usable(endpoint.line_kbps, round_trip(endpoint, month), month)
    if rate * shared >= size:
        return []
    found = []
    if size <= rate * whole:
        percent = int(np.ceil(100 * size / (rate * whole)))
        found.append(
            Advice(
                "delivery",
                f"配信上限を終日平均{percent}%以上にする（端末の電源が切れる時間帯があれば夜間も入れておく）",
                f"let updates take {percent} % of the line at every hour; leave the terminal on overnight for that",
            )
        )
    if shared > 0:
        needed = line_for(size / shared, round_trip(endpoint, month), month)
        if needed is not None:
            kbps = int(np.ceil(needed / _STEP_KBPS) * _STEP_KBPS)
            found.append(
                Advice(
                    "line",
                    f"回線を{kbps / 1000:g} Mbps以上にする（現在{endpoint.line_kbps / 1000:g} Mbps）",
                    f"a line of {kbps / 1000:g} Mbps or more (it has {endpoint.line_kbps / 1000:g})",
                )
            )
    return found


def _hours(share: Array, begin: float, end: float) -> float:
    """Give the hours between two moments, each counted by its share."""
    edges = np.arange(len(share), dtype=np.float64)
    return float((share * np.clip(np.minimum(edges + 1, end) - np.maximum(edges, begin), 0, 1)).sum())


def _worst_day(habits: Habits, month: Month) -> tuple[float, tuple[float, float]]:
    """Give the patterns of a day and the time they have, on the day on which updates may take least of the line."""
    hour, length = month.patterns.hour, month.patterns_line_hours
    days = [float(day * 24 + hour) for day in habits.working_days if day * 24 + hour + length <= len(habits.share)]
    begin = min(days, key=lambda each: _hours(habits.share, each, each + length), default=float(hour))
    return float(month.patterns.line_bytes), (begin, begin + length)


def _window(habits: Habits, month: Month) -> Advice:
    return Advice(
        "window",
        f"保守時間帯を{month.need_minutes}分以上に延ばす（期限までに最長{habits.longest_minutes}分）",
        f"a window of {month.need_minutes} minutes before the deadline (the longest has {habits.longest_minutes})",
    )


def _spread(country: Country, course: Course) -> Advice:
    """The endpoint's own line would do: the ASP's is full."""
    full = int(course.full.sum())
    total = country.load.arrivals.sum() / 1e12
    mbps = country.load.egress * 8 / SECONDS_AN_HOUR / 1e6
    return Advice(
        "spread",
        f"ASPの回線（{mbps:,.0f} Mbps）が{full}時間にわたり飽和：配布群を増やして日を分けるか、ASPの回線を増強する",
        f"the ASP's line ({mbps:,.0f} Mbps for {total:.1f} TB) is full for {full} hours: spread the rings over more "
        "days, or enlarge it",
    )


def _slow(country: Country) -> float:
    """A tenth of the median line: where a larger line is far away."""
    return float(np.median(country.load.line)) / 10


def _medium(country: Country, endpoint: Endpoint, habits: Habits, month: Month) -> list[Advice]:
    """Send it on a medium, if that is in time."""
    size = sum(update.media_bytes for update in month.updates) / month.media.bytes_a_second / SECONDS_AN_HOUR
    ready = 24.0 * (country.begins[endpoint.ring] + month.media.carrying_days + 3) + size
    if habits.install(ready, month.install_minutes, month.need_minutes) > country.deadline:
        return []
    gigabytes = sum(update.media_bytes for update in month.updates) / 1e9
    return [
        Advice(
            "media",
            f"更新を媒体で送る（{gigabytes:.1f} GB、{month.media.carrying_days}営業日）",
            f"send the update on a medium ({gigabytes:.1f} GB, {month.media.carrying_days} working days)",
        )
    ]
