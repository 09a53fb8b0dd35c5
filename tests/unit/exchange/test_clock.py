from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.clock import InvalidTime, format_time, parse_time


@given(st.floats(0, 7e9))
def test_a_time_comes_back_as_it_was_but_for_its_fraction(seconds: float) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert parse_time(format_time(at)) == at.replace(microsecond=0)


def test_another_zone_is_written_in_utc() -> None:
    assert format_time(datetime(2026, 11, 23, 18, tzinfo=timezone(timedelta(hours=9)))) == "2026-11-23T09:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:00:00",
        "2026-11-23T09:00:00+09:00",
        "2026-11-23T09:00:00.5Z",
        "2026-11-23 09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-11-23T09:00:00Z\n",
        "２０２６-11-23T09:00:00Z",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidTime):
        parse_time(text)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidTime, match="no zone"):
        format_time(datetime(2026, 11, 23))  # noqa: DTZ001 - that is what is refused
