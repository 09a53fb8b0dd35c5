"""Office hours, closing days and maintenance windows, by example and by what must hold for every rule and calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.windows import (
    JST,
    LONGEST_DAYS,
    LOOK_AHEAD_DAYS,
    BeyondCalendar,
    Changes,
    Hours,
    Rule,
    Span,
    Windows,
    is_holiday,
)

OFFICE = Hours.parse("08:30-17:15")
EVENING = Windows(Rule(OFFICE, working_days=(Hours.parse("17:30-22:00"),)))
NIGHT = Windows(Rule(OFFICE, (Hours.parse("19:00-06:00"),), (Hours.parse("00:00-24:00"),)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2026-11-21", "Saturday"),
        ("2026-11-22", "Sunday"),
        ("2026-11-23", "勤労感謝の日"),
        ("2026-05-06", "振替休日 of 憲法記念日, three days later"),
        ("2026-09-22", "国民の休日, between two holidays"),
        ("2026-03-20", "春分の日, a day that astronomers fix"),
        ("2019-05-01", "the day of 即位, of one year only"),
        ("2026-12-29", "the year's end"),
        ("2027-01-04", None),
        ("2026-12-28", None),
        ("2026-11-24", None),
        ("2020-10-12", None),  # スポーツの日 was moved to July in the year of the Games
    ],
)
def test_a_closing_day_is_one_of_the_law(day: str, why: str | None) -> None:
    assert EVENING.is_working_day(date.fromisoformat(day)) is (why is None)


def test_an_evening_s_window_is_open_between_its_ends() -> None:
    assert not EVENING.is_open(at("2026-11-24 17:29:59"))
    assert EVENING.is_open(at("2026-11-24 17:30"))
    assert EVENING.minutes_left(at("2026-11-24 17:30")) == 270
    assert EVENING.minutes_left(at("2026-11-24 21:59:30")) == 0
    assert EVENING.is_open(at("2026-11-24 21:59:59"))
    assert not EVENING.is_open(at("2026-11-24 22:00"))
    assert EVENING.minutes_left(at("2026-11-24 22:00")) == 0


def test_the_next_opening_leaps_over_weekend_holiday_and_year_end() -> None:
    assert EVENING.next_opening(at("2026-11-20 17:30")) == at("2026-11-24 17:30")
    assert EVENING.next_opening(at("2026-12-28 22:00")) == at("2027-01-04 17:30")


def test_a_night_s_window_lasts_over_midnight_until_its_end() -> None:
    assert NIGHT.minutes_left(at("2026-11-24 19:00")) == 11 * 60
    assert NIGHT.minutes_left(at("2026-11-25 05:59")) == 1
    assert NIGHT.next_opening(at("2026-11-24 20:00")) == at("2026-11-25 19:00")


def test_windows_that_touch_are_one() -> None:
    friday = at("2026-11-20 19:00")  # Saturday, Sunday and the holiday on Monday are closing days
    assert NIGHT.window_at(friday) == Span(friday, at("2026-11-24 00:00"))


def test_another_time_zone_s_moment_is_the_same_moment() -> None:
    assert EVENING.is_open(datetime(2026, 11, 24, 8, 30, tzinfo=UTC))
    assert EVENING.next_opening(datetime(2026, 11, 24, 0, 0, tzinfo=UTC)) == at("2026-11-24 17:30")


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = datetime(2026, 11, 24, 18)  # noqa: DTZ001 - that is the point
    for question in (EVENING.is_open, EVENING.next_opening, EVENING.minutes_left, EVENING.is_office_hours):
        with pytest.raises(ValueError, match="needs a time zone"):
            question(naive)
    with pytest.raises(ValueError, match="a moment needs a time zone"):
        Span(naive, naive)


def test_a_calendar_closes_opens_allows_and_blocks() -> None:
    changes = Changes(
        date(2026, 11, 1),
        date(2026, 12, 31),
        closed=frozenset({date(2026, 11, 25)}),
        opened=frozenset({date(2026, 11, 29)}),
        allowed=(Span(at("2026-11-26 12:00"), at("2026-11-26 13:00")),),
        blocked=(Span(at("2026-11-27 18:00"), at("2026-11-27 19:00")),),
    )
    windows = Windows(NIGHT.rule, changes)
    assert windows.is_open(at("2026-11-25 10:00"))  # a closing day
    assert not windows.is_open(at("2026-11-29 10:00"))  # a Sunday on which the office is open
    assert windows.is_office_hours(at("2026-11-29 10:00"))
    assert windows.is_open(at("2026-11-26 12:30"))  # allowed by name, though clerks work
    assert windows.is_open(at("2026-11-27 17:59")) is False
    night = Windows(Rule(OFFICE, (Hours.parse("17:30-22:00"),)), changes)
    assert [str(each.start.time()) for each in night.spans(at("2026-11-27 00:00"), at("2026-11-28 00:00"))] == [
        "17:30:00",
        "19:00:00",
    ]
    assert night.minutes_left(at("2026-11-27 17:40")) == 20


def test_a_window_of_the_day_before_ends_where_the_office_opens_on_a_sunday() -> None:
    rule = Rule(OFFICE, closing_days=(Hours.parse("20:00-12:00"),))
    windows = Windows(rule, Changes(opened=frozenset({date(2026, 11, 29)})))
    assert windows.window_at(at("2026-11-29 01:00")) == Span(at("2026-11-29 01:00"), at("2026-11-29 08:30"))


def test_days_beyond_the_calendar_are_refused_not_guessed() -> None:
    windows = Windows(NIGHT.rule, Changes(date(2026, 11, 1), date(2026, 11, 30)))
    for moment in ("2026-10-31 23:59", "2026-12-01 00:00"):
        for question in (windows.is_open, windows.minutes_left, windows.next_opening, windows.is_office_hours):
            with pytest.raises(BeyondCalendar, match="2026-11-01 to 2026-11-30"):
                question(at(moment))
    assert Windows(EVENING.rule, windows.changes).next_opening(at("2026-11-30 17:30")) is None
    assert windows.next_opening(at("2026-11-01 00:00")) == at("2026-11-02 19:00")


def test_what_never_opens_is_said_to_open_never() -> None:
    assert Windows(Rule(OFFICE)).next_opening(at("2026-11-24 00:00")) is None


@pytest.mark.parametrize(
    "text", ["", "8:30-17:15", "08:30–17:15", "08:30-24:01", "08:30-25:00", "08:60-09:00", "８:30"]
)
def test_hours_are_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not written as|ends after"):
        Hours.parse(text)


MINUTES = st.integers(0, 1439)
HOURS = st.builds(lambda start, length: Hours(start, start + length), MINUTES, st.integers(1, 1440))
RULES = st.builds(
    Rule,
    HOURS,
    st.lists(HOURS, max_size=3).map(tuple),
    st.lists(HOURS, max_size=3).map(tuple),
    st.frozensets(st.integers(0, 6), max_size=6),
)
BEGINNING = datetime(2026, 1, 10, tzinfo=JST)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda each: BEGINNING + each)
SPANS = st.builds(
    lambda start, minutes: Span(start, start + timedelta(minutes=minutes)), MOMENTS, st.integers(1, 50_000)
)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
CHANGES = st.builds(
    Changes,
    st.just(date(2025, 1, 1)),
    st.just(date(2029, 12, 31)),
    st.frozensets(DAYS, max_size=9),
    st.frozensets(DAYS, max_size=9),
    st.lists(SPANS, max_size=3).map(tuple),
    st.lists(SPANS, max_size=3).map(tuple),
)
WINDOWS = st.builds(Windows, RULES, CHANGES)


@given(HOURS)
def test_hours_are_read_as_they_are_written(hours: Hours) -> None:
    if hours.end % 1440 or hours.end == 1440:  # midnight of the next day has two writings
        assert Hours.parse(str(hours)) == hours


@given(WINDOWS, MOMENTS)
def test_open_is_what_the_words_say(windows: Windows, moment: datetime) -> None:
    """By the definition, without intervals: what is said of the moment itself."""
    rule, changes = windows.rule, windows.changes
    days = [moment.date() - timedelta(days=1), moment.date()]

    def within(hours: Hours, day: date) -> bool:
        return hours.on(day).start <= moment < hours.on(day).end

    by_rule = any(
        within(hours, day)
        for day in days
        for hours in (rule.working_days if windows.is_working_day(day) else rule.closing_days)
    )
    office = any(windows.is_working_day(day) and within(rule.office_hours, day) for day in days)
    allowed = any(each.start <= moment < each.end for each in changes.allowed)
    blocked = any(each.start <= moment < each.end for each in changes.blocked)
    assert windows.is_open(moment) is (((by_rule and not office) or allowed) and not blocked)
    assert windows.is_office_hours(moment) is office


@given(WINDOWS, MOMENTS)
def test_the_minutes_left_are_open_and_no_minute_more_is(windows: Windows, moment: datetime) -> None:
    window, left = windows.window_at(moment), windows.minutes_left(moment)
    assert (window is not None) is windows.is_open(moment)
    if window is None:
        assert left == 0
        return
    assert window.start == moment
    assert timedelta(0) <= window.end - moment - timedelta(minutes=left) < timedelta(minutes=1)
    assert windows.is_open(window.end - timedelta(microseconds=1))
    if window.end < moment + timedelta(days=LONGEST_DAYS):
        assert not windows.is_open(window.end)


def test_what_is_open_for_more_than_a_month_opens_once() -> None:
    open_long = Span(BEGINNING, BEGINNING + timedelta(days=70))
    windows = Windows(Rule(Hours(0, 1)), Changes(date(2025, 1, 1), date(2029, 12, 31), allowed=(open_long,)))
    assert windows.next_opening(BEGINNING - timedelta(days=40)) == BEGINNING
    assert windows.next_opening(BEGINNING) is None


@given(WINDOWS, MOMENTS)
def test_the_next_opening_opens_and_nothing_opens_before_it(windows: Windows, moment: datetime) -> None:
    opening = windows.next_opening(moment)
    until = opening or moment + timedelta(days=LOOK_AHEAD_DAYS)
    if opening is not None:
        assert opening > moment
        assert windows.is_open(opening)
        assert not windows.is_open(opening - timedelta(microseconds=1))
    # what is open before it was open at the moment already
    between = list(windows.spans(moment, until))
    assert [each.start for each in between] in ([], [moment])


@given(WINDOWS, MOMENTS, st.integers(1, 40), st.integers(0, 40))
def test_a_period_is_the_sum_of_its_parts(windows: Windows, start: datetime, days: int, cut: int) -> None:
    end = start + timedelta(days=days)
    middle = start + timedelta(days=min(cut, days)) / 3 + timedelta(seconds=1)

    def seconds(begin: datetime, finish: datetime) -> float:
        return sum((each.end - each.start).total_seconds() for each in windows.spans(begin, finish))

    assert seconds(start, end) == pytest.approx(seconds(start, middle) + seconds(middle, end))
    found = list(windows.spans(start, end))
    assert all(before.end < after.start for before, after in pairwise(found))


NEAR = range(2025, 2029)
YEARS = [pytest.param(year, marks=() if year in NEAR else pytest.mark.thorough) for year in range(1990, 2091)]


@pytest.mark.parametrize("year", YEARS)
def test_every_year_has_its_year_end_and_its_holidays(year: int) -> None:
    assert all(is_holiday(date(year, *each)) for each in ((1, 1), (1, 2), (1, 3), (12, 29), (12, 30), (12, 31)))
    assert is_holiday(date(year, 5, 3))
    assert 14 + 4 <= sum(is_holiday(date(year, 1, 1) + timedelta(days=number)) for number in range(365)) <= 30
