"""The maintenance section of a fleet, the columns that name its profiles and calendars, and the calendars."""

from datetime import date, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.windows import JST, Hours, Span
from renkei.fleet.calendars import MAX_BYTES, MAX_EVENTS, MunicipalCalendar, read_calendar
from renkei.fleet.loader import load_fleet
from renkei.fleet.maintenance import Delivery
from renkei.fleet.model import Fleet
from renkei.fleet.problems import FleetError, Problem

from .conftest import ROOT, Draft

FIRST, LAST = date(2026, 11, 1), date(2027, 12, 31)
ROW = "131041,online,canary,folder,100000,,"
LEFT = "code,link,ring,register_bridge,line_kbps,wan_address,site_block,"
HEADER = f"{LEFT}maintenance,calendar,round_trip_ms,place,contact,note"
_numbers = count()


def event(*lines: str) -> str:
    """An event with a UID of its own."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{next(_numbers)}", "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT", ""])


def calendar(*events: str) -> str:
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//JA\r\n" + "".join(events) + "END:VCALENDAR\r\n"


def read(folder: Path, text: str | bytes) -> tuple[MunicipalCalendar | None, list[str]]:
    file = folder / "own.ics"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    problems: list[Problem] = []
    found = read_calendar(file, problems)
    return found, [f"{each.line}: {each.what}; {each.remedy}" for each in problems]


def good(folder: Path, *events: str) -> MunicipalCalendar:
    found, problems = read(folder, calendar(*events))
    assert problems == []
    assert found is not None
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(
    "folder", ["inventory/lab", pytest.param("inventory/sample", marks=pytest.mark.thorough), "tests/roles/fleet"]
)
def test_every_fleet_of_the_repository_says_when_each_terminal_opens(folder: str) -> None:
    fleet = load_fleet(ROOT / folder)
    moment = at("2026-11-24 00:00")
    for site in fleet.sites.values():
        if site.endpoint:
            windows = fleet.windows(site.endpoint, FIRST, LAST)
            opening = windows.next_opening(moment)
            assert opening is not None
            assert windows.minutes_left(opening) >= 60


def test_an_endpoint_takes_the_profile_and_the_calendar_of_its_row_or_else_the_fleet_s(draft: Draft) -> None:
    draft.edit("endpoints.csv", LEFT, f"{LEFT}maintenance,calendar,round_trip_ms,")
    for row in ("011011,on_demand,early,folder,10000,,,", "012271,media,main,media,1500,,,"):
        draft.edit("endpoints.csv", row, row + ",,,")
    draft.edit("endpoints.csv", ROW + ",", ROW + ",always_on,own.ics,8,")
    draft.edit("fleet.yml", "  default: evening\n", "  default: evening\n  calendar: all.ics\n")
    closed = event("DTSTART;VALUE=DATE:20261125", "CATEGORIES:CLOSED")
    (draft.folder / "all.ics").write_text(calendar(closed))
    (draft.folder / "own.ics").write_text(calendar())
    fleet = load_fleet(draft.folder)
    own, other = (fleet.sites[code].endpoint for code in ("131041", "011011"))
    assert own is not None
    assert other is not None
    assert (fleet.profile(own).name, own.round_trip_ms) == ("always_on", 8)
    assert (fleet.profile(other).name, other.round_trip_ms) == ("evening", None)
    assert fleet.windows(own, FIRST, LAST).is_working_day(date(2026, 11, 25))
    assert not fleet.windows(other, FIRST, LAST).is_working_day(date(2026, 11, 25))


def test_the_sample_s_wards_open_on_a_sunday_in_the_season_of_moves(sample: Fleet) -> None:
    ward = sample.sites["011011"].endpoint
    assert ward is not None
    windows = sample.windows(ward, FIRST, LAST)
    assert windows.is_working_day(date(2027, 3, 28))
    assert windows.is_working_day(date(2027, 4, 4))
    assert not windows.is_working_day(date(2027, 4, 11))
    assert not windows.is_open(at("2027-04-02 20:00"))
    assert windows.next_opening(at("2026-11-25 17:00")) == at("2026-11-25 19:00")


def test_delivery_limits_are_the_profile_s(lab: Fleet) -> None:
    assert lab.settings.maintenance.profiles["evening"].delivery == Delivery(20, 80)
    assert lab.settings.maintenance.profiles["evening"].rule.working_days == (Hours.parse("17:30-22:00"),)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('["17:30-22:00"]', '["17:00-22:00"]', "17:30-22:00", "the window 17:00-22:00 reaches into the office hours"),
        ('["17:30-22:00"]', '["22:00-08:31"]', "17:30-22:00", "the window 22:00-08:31 reaches into the office hours"),
        ('["17:30-22:00"]', '["17:30-24:30"]', "17:30-22:00", "'17:30-24:30' ends after 24:00"),
        ('["17:30-22:00"]', '["5pm"]', "17:30-22:00", "'5pm' does not match"),
        ('      working_days: ["17:30-22:00"]\n', "", "    evening:", "profile evening has no window"),
        ("20, otherwise_percent: 80", "0, otherwise_percent: 0", "office_hours_percent", "delivers nothing at any"),
        ("otherwise_percent: 80", "otherwise_percent: 101", "otherwise_percent", "101 is greater than the maximum"),
        ("default: evening", "default: night", "default: evening", "'night' is no profile; write one of evening"),
        ("[sat, sun]", "[sat, son]", "[sat, sun]", "'son' is not one of"),
        ("early: 2, main: 5", "early: 6, main: 5", "ring_days", "main begins before early"),
        ("early: 2, main: 5", "early: 2", "ring_days", "no day for main"),
        ("early: 2, main: 5", "early: 2, main: 5, broad: 9", "ring_days", "'broad' is no ring"),
        ("deadline_days: 14", "deadline_days: 45", "  deadline_days", "45 is greater than the maximum of 30"),
        ("urgent_deadline_days: 7", "urgent_deadline_days: 8", "urgent_deadline_days", "8 is greater than the maximum"),
        ("  default: evening", "  calendar: ../x.ics\n  default: evening", "default: evening", "'../x.ics' does not"),
    ],
)  # fmt: skip
def test_a_bad_maintenance_setting_is_named_with_its_line(
    draft: Draft, old: str, new: str, line: str, what: str
) -> None:
    number = draft.line("fleet.yml", line)
    draft.edit("fleet.yml", old, new)
    problems = draft.problems()
    assert any(each.startswith(f"fleet.yml:{number}: ") and what in each for each in problems), problems


def test_a_fleet_without_windows_is_refused(draft: Draft) -> None:
    text = (draft.folder / "fleet.yml").read_text(encoding="utf-8")
    begin, end = text.index("maintenance:"), text.index("exchange:")
    (draft.folder / "fleet.yml").write_text(text[:begin] + text[end:], encoding="utf-8")
    assert any("'maintenance' is a required property" in each for each in draft.problems())


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ("night,,", "maintenance 'night' is unknown; write one of evening, always_on or add the profile to fleet.yml"),
        (",../own.ics,", "calendar '../own.ics' is no name of an iCalendar file"),
        (",own.ics\x7f,", "holds a control character"),
        (",,0", "round_trip_ms '0' is no time"),
        (",,2001", "round_trip_ms '2001' is no time; write milliseconds, 1 to 2000, or nothing"),
        (",,１２", "is no time"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(draft: Draft, cells: str, what: str) -> None:
    rows = [HEADER, f"131041,online,canary,folder,100000,,,{cells},,,"]
    rows += ["011011,on_demand,early,folder,10000,,,,,,,,", "012271,media,main,media,1500,,,,,,,,"]
    (draft.folder / "endpoints.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    problems = draft.problems()
    assert any(each.startswith("endpoints.csv:2: ") and what in each for each in problems), problems


def test_a_calendar_that_is_named_and_missing_is_a_problem_and_so_is_a_bad_one(draft: Draft) -> None:
    draft.edit("fleet.yml", "  default: evening\n", "  default: evening\n  calendar: all.ics\n")
    assert draft.problems() == [
        "all.ics:1: can't be read (No such file or directory); put the calendar there, readable"
    ]
    (draft.folder / "all.ics").write_text(calendar(event("DTSTART;VALUE=DATE:20261125")))
    assert draft.problems()[0].startswith(
        "all.ics:4: the event has no category; write CATEGORIES as one of CLOSED, OPEN"
    )


def test_events_become_closing_days_openings_windows_and_blocks(tmp_path: Path) -> None:
    changes = good(
        tmp_path,
        event("DTSTART;VALUE=DATE:20261214", "DTEND;VALUE=DATE:20261216", "CATEGORIES:CLOSED"),
        event("DTSTART;VALUE=DATE:20261213", "CATEGORIES:open"),
        event("DTSTART:20261202T030000Z", "DTEND:20261202T040000Z", "CATEGORIES:MAINTENANCE"),
        event("DTSTART;TZID=Asia/Tokyo:20261203T180000", "DURATION:PT2H", "CATEGORIES:BLOCKED"),
        event("DTSTART;VALUE=DATE:20261204", "CATEGORIES:BLOCKED", "STATUS:CANCELLED"),
    ).changes(FIRST, LAST)
    assert changes.closed == {date(2026, 12, 14), date(2026, 12, 15)}
    assert changes.opened == {date(2026, 12, 13)}
    assert changes.allowed == (Span(at("2026-12-02 12:00"), at("2026-12-02 13:00")),)
    assert changes.blocked == (Span(at("2026-12-03 18:00"), at("2026-12-03 20:00")),)


def test_what_recurs_is_expanded_with_its_exceptions(tmp_path: Path) -> None:
    found = good(
        tmp_path,
        event(
            "DTSTART;TZID=Asia/Tokyo:20261104T171500",
            "DTEND;TZID=Asia/Tokyo:20261104T190000",
            "CATEGORIES:BLOCKED",
            "RRULE:FREQ=WEEKLY;BYDAY=WE;UNTIL=20261231T000000Z",
            "EXDATE;TZID=Asia/Tokyo:20261111T171500",
        ),
    ).changes(FIRST, LAST)
    assert [each.start.day for each in found.blocked] == [4, 18, 25, 2, 9, 16, 23, 30]


def test_an_event_that_began_before_counts_for_the_days_that_are_asked_for(tmp_path: Path) -> None:
    found = good(tmp_path, event("DTSTART;VALUE=DATE:20261001", "DTEND;VALUE=DATE:20261110", "CATEGORIES:BLOCKED"))
    assert found.changes(FIRST, LAST).blocked == (Span(at("2026-10-01 00:00"), at("2026-11-10 00:00")),)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["DTSTART;VALUE=DATE:20261125", "CATEGORIES:会議"], "category isn't one that is known"),
        (["DTSTART;VALUE=DATE:20261125", "CATEGORIES:CLOSED,OPEN"], "category isn't one that is known"),
        (["DTSTART:20261125T090000", "DTEND:20261125T100000", "CATEGORIES:BLOCKED"], "have no time zone"),
        (["DTSTART;TZID=Moon/Sea:20261125T090000", "DURATION:PT1H", "CATEGORIES:BLOCKED"], "have no time zone"),
        (["DTSTART:20261125T090000Z", "DTEND:20261125T080000Z", "CATEGORIES:BLOCKED"], "ends when it begins"),
        (["DTSTART:20261125T090000Z", "CATEGORIES:BLOCKED"], "ends when it begins"),
        (["DTSTART:20261125T090000Z", "DTEND:20261125T100000Z", "CATEGORIES:CLOSED"], "has hours"),
        (["CATEGORIES:CLOSED"], "no beginning"),
        (["DTSTART:tomorrow", "CATEGORIES:CLOSED"], "the event's DTSTART can't be read"),
        (["DTSTART;VALUE=DATE:20261125", "RRULE:FREQ=OFTEN", "CATEGORIES:CLOSED"], "the event's RRULE can't be read"),
        (["DTSTART:20261125T090000Z", "DURATION:PT1M", "RRULE:FREQ=SECONDLY", "CATEGORIES:BLOCKED"], "more often"),
        (["DTSTART;VALUE=DATE:20261125", "RRULE:", "CATEGORIES:CLOSED"], "doesn't say how often it recurs"),
        (["DTSTART;VALUE=DATE:20261125", "RRULE:FREQ=DAILY;BYMINUTE=1,2,3", "CATEGORIES:CLOSED"], "more often"),
        (["DTSTART;VALUE=DATE:00010101", "RRULE:FREQ=DAILY", "CATEGORIES:CLOSED"], "outside of the years"),
    ],
)
def test_a_bad_event_is_named_with_its_line_and_without_its_words(tmp_path: Path, lines: list[str], what: str) -> None:
    fine = event("DTSTART;VALUE=DATE:20261201", "CATEGORIES:OPEN")
    found, problems = read(tmp_path, calendar(fine, event("SUMMARY:入管 太郎の予定", *lines)))
    assert found is None
    assert any(each.startswith("10: ") and what in each for each in problems), problems
    assert "太郎" not in "".join(problems)
    assert "会議" not in "".join(problems)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\n", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n"]
)
def test_what_is_no_calendar_is_refused(tmp_path: Path, content: bytes) -> None:
    found, problems = read(tmp_path, content)
    assert found is None
    assert problems == ["1: is no iCalendar file; export the calendar as .ics, in UTF-8"]


def test_too_much_is_refused_by_bytes_events_and_occurrences(tmp_path: Path) -> None:
    assert read(tmp_path, b" " * (MAX_BYTES + 1))[1][0].startswith("1: is larger than")
    one = event("DTSTART;VALUE=DATE:20261201", "CATEGORIES:OPEN")
    assert read(tmp_path, calendar(*[one] * (MAX_EVENTS + 1)))[1][0].startswith("1: has 501 events")
    daily = [event("DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=DAILY", "CATEGORIES:OPEN") for _ in range(200)]
    with pytest.raises(FleetError, match="recur more than 5000 times"):
        good(tmp_path, *daily).changes(FIRST, LAST)


def test_one_uid_of_two_events_is_a_problem_unless_one_changes_the_other(tmp_path: Path) -> None:
    one = event("DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=WEEKLY", "CATEGORIES:OPEN")
    moved = one.replace("RRULE:FREQ=WEEKLY", "RECURRENCE-ID;VALUE=DATE:20261208").replace("20261201", "20261209")
    assert read(tmp_path, calendar(one, one))[1][0].startswith("11: the event has the UID of that in line 4")
    days = sorted(good(tmp_path, one, moved).changes(FIRST, date(2026, 12, 16)).opened)
    assert [each.day for each in days] == [1, 9, 15]
    assert "has not one UID" in read(tmp_path, calendar(one.replace("UID:", "X-UID:")))[1][0]


@pytest.mark.parametrize(
    "line", ["RECURRENCE-ID:20261201T000000Z", "RRULE:FREQ=DAILY", "STATUS:CANCELLED", "DTEND:20261202T000000Z"]
)
def test_what_an_event_has_once_it_may_not_have_twice(tmp_path: Path, line: str) -> None:
    twice = event("DTSTART:20261201T000000Z", line, line, "CATEGORIES:BLOCKED")
    said = read(tmp_path, calendar(twice))[1][0]
    assert said.startswith(f"4: the event has more than one {line.partition(':')[0]}")


LINES = st.lists(
    st.sampled_from(
        [
            "UID:1", "DTSTART:", "DTSTART;VALUE=DATE:20261201", "DTSTART:20261201T000000Z", "DTSTART:20261201T000000",
            "DTEND:20261202T000000Z", "DTEND;VALUE=DATE:20261203", "DTEND:20261202T000000", "DURATION:PT1H",
            "DURATION:-P1D", "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY;COUNT=0", "RRULE:FREQ=MONTHLY;UNTIL=20270101",
            "RRULE:", "RDATE:20261205T000000Z", "RDATE;VALUE=DATE:20261205", "EXDATE:20261201",
            "EXDATE;VALUE=DATE:20261201", "RECURRENCE-ID:20261201T000000Z", "RECURRENCE-ID;VALUE=DATE:20261201",
            "CATEGORIES:CLOSED", "CATEGORIES:BLOCKED", "STATUS:CANCELLED", "SEQUENCE:1", "BEGIN:VALARM", "END:VALARM",
            "BEGIN:VEVENT", "END:VEVENT",
        ]
    ),
    max_size=9,
)  # fmt: skip


@given(LINES, st.binary(max_size=99))
def test_whatever_a_file_holds_is_read_and_expanded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("ics")
    whole = calendar(event(*lines)).encode()
    for content in (noise, whole, whole.replace(b"UID:", noise)):
        found, problems = read(folder, content)
        assert (found is None) is bool(problems)
        if found:
            found.changes(date(2026, 11, 20), date(2026, 12, 20))
