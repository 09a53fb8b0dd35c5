import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from renkei.agent.schedule import due_moments, jitter, last_due, next_due
from renkei.agent.settings import JST

TIMES = (dt.time(8, 45), dt.time(17, 0))
MOMENTS = st.integers(1_767_225_600, 1_893_456_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))


@given(MOMENTS, st.integers(0, 7200))
def test_a_moment_lies_between_the_last_exchange_and_the_next(moment: dt.datetime, limit: int) -> None:
    last, following = (f("131041", TIMES, limit, moment) for f in (last_due, next_due))
    assert last <= moment < following
    assert following - last <= dt.timedelta(hours=24)


@given(MOMENTS)
def test_without_jitter_exchanges_are_at_the_times_in_japan(moment: dt.datetime) -> None:
    assert {due.astimezone(JST).time() for due in due_moments("131041", TIMES, 0, moment)} == set(TIMES)


@given(st.dates(dt.date(2026, 1, 1), dt.date(2030, 1, 1)), st.integers(0, 7200))
def test_jitter_stays_within_its_limit_and_is_the_same_after_a_restart(day: dt.date, limit: int) -> None:
    shift = jitter("131041", day, TIMES[0], limit)
    assert dt.timedelta(0) <= shift <= dt.timedelta(seconds=limit)
    assert shift == jitter("131041", day, TIMES[0], limit)


def test_jitter_spreads_endpoints_over_the_window() -> None:
    day = dt.date(2026, 11, 23)
    shifts = [jitter(f"{number:06d}", day, TIMES[0], 299).seconds for number in range(1000)]
    minutes = [sum(shift // 60 == minute for shift in shifts) for minute in range(5)]
    assert all(150 < count < 250 for count in minutes)
