"""What an endpoint sends and when: due days, echoes of the ministry's notices, daily and immediate."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest

from renkei.agent.home import Home
from renkei.agent.register import confirmation, outgoing, release
from renkei.agent.register.outgoing import mode_of, sort
from renkei.agent.settings import JST
from renkei.domain.notices import Notice
from renkei.exchange.clock import format_time
from renkei.exchange.encoding import EncodingError
from renkei.store.outgoing import Draft, Source
from unit.agent.register_scenes import KIM, amended, arrive, bridged, departing, numbers, outcome, special, status

Clock = Callable[..., None]


@pytest.fixture
def home(offline: Any, tmp_path: Any) -> Home:
    return bridged(offline, tmp_path / "share")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time, by Japan's clock; it begins on 2026-11-20 at nine."""

    def at(month: int, day: int, hour: int, minute: int = 0) -> None:
        moment = dt.datetime(2026, month, day, hour, minute, tzinfo=JST)
        monkeypatch.setattr(outgoing, "now", lambda: moment)
        monkeypatch.setattr(release, "stamp", lambda: format_time(moment))

    at(11, 20, 9)
    return at


def drafts(_home: Home, notices: Sequence[Notice], _recipient: object, mode: str) -> list[Callable[[int], Draft]]:
    """Stands in for sealing, which order has nothing to do with; the manifest says the mode."""

    def build(_sequence: int) -> Draft:
        numbers = tuple(notice.number for notice in notices)
        return Draft(uuid4().hex, mode.encode(), b"sealed", b"", "", "", len(notices), notices[0].TYPE, numbers)

    return [build] if notices else []


class Desk:
    """Takes files as the intake does, releases as an exchange does, and shows what would travel."""

    def __init__(self, home: Home, offline: Any) -> None:
        self.home, self.offline = home, offline
        self.terminal = offline.party("ministry")[0]
        self.files = 0

    def take(self, *notices: Notice, mode: str = "immediate") -> list[str]:
        plan = sort(self.home, notices, "daily" if mode == "daily" else "immediate")
        self.files += 1
        if plan.promoted:
            release.release(self.home, plan.promoted, lambda _: self.terminal)
        made = drafts(self.home, plan.at_once, self.terminal, "immediate")
        source = Source(f"{self.files}", "", f"{self.files}.csv", "2026-11-20T00:00:00Z", len(notices), 0)
        self.home.spool.outgoing.take(source, "ministry", "notices", made, plan.note)
        return self.sent()

    def exchange(self, *, asked: bool = False) -> list[str]:
        release.release_due(self.home, lambda _: self.terminal, gathered=asked)
        return self.sent()

    def sent(self) -> list[str]:
        """The numbers of all notices that went, in the order of the stream."""
        order = {m.id: (m.sequence, m) for m in self.home.spool.outgoing.unreceipted()}
        found = self.home.spool._database.read(lambda c: list(c.execute("SELECT message, position, number FROM sent")))
        return [number for _, _, number in sorted((order[each[0]][0], each[1], each[2]) for each in found)]

    def modes(self) -> list[str]:
        return [message.manifest.decode() for message in self.home.spool.outgoing.unreceipted()]


@pytest.fixture
def desk(home: Home, offline: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Desk:
    assert clock
    monkeypatch.setattr(release, "builders", drafts)
    return Desk(home, offline)


def ts(*of: int) -> list[str]:
    return [f"T-{number:06d}" for number in of]


# -- the due day


def test_a_planned_move_waits_for_its_day_by_the_calendar_of_japan(desk: Desk, clock: Clock) -> None:
    assert desk.take(departing(1, dt.date(2026, 12, 10)), amended(2, **KIM, card_number="KK00000000KK")) == ts(2)
    clock(12, 9, 23, 59)
    assert desk.exchange(asked=True) == ts(2)
    clock(12, 10, 0)
    assert desk.exchange() == ts(2, 1)
    assert desk.exchange() == ts(2, 1)


@pytest.mark.parametrize("day", [20, 19])
def test_a_move_of_today_or_before_goes_at_once(desk: Desk, day: int) -> None:
    assert desk.take(departing(1, dt.date(2026, 11, day))) == ts(1)


def test_the_day_is_japans_although_the_machine_counts_in_utc(desk: Desk, clock: Clock) -> None:
    clock(12, 10, 1)  # still the 9th in UTC
    assert desk.take(departing(1, dt.date(2026, 12, 10))) == ts(1)


def test_a_missed_day_is_made_up_for(desk: Desk, clock: Clock) -> None:
    desk.take(departing(1, dt.date(2026, 12, 10)))
    clock(12, 14, 9)
    assert desk.exchange() == ts(1)


def test_a_correction_of_a_waiting_notice_goes_after_it_and_not_before(desk: Desk, clock: Clock) -> None:
    """Correction of a correction: each waits for the one that it corrects."""
    desk.take(departing(1, dt.date(2026, 12, 10)))
    desk.take(departing(2, dt.date(2026, 12, 8), corrects="T-000001"))
    desk.take(departing(3, dt.date(2026, 12, 12), corrects="T-000002"))
    clock(12, 10, 0)
    assert desk.exchange() == ts(1, 2)
    clock(12, 12, 0)
    assert desk.exchange() == ts(1, 2, 3)


def test_another_change_of_the_same_person_does_not_wait_for_the_due_day(desk: Desk) -> None:
    desk.take(departing(1, dt.date(2026, 12, 10)))
    assert desk.take(amended(2)) == ts(2)


# -- echoes


def told(home: Home, *imported: int) -> None:
    """The ministry tells that WANG is called otherwise now, and the register has it."""
    arrive(home, [status(1, name="WANG MEILING", changed_items="氏名")])
    for number in imported:
        outcome(home, *numbers(number))


def test_a_correction_that_the_ministrys_notice_caused_is_not_sent_back_and_says_why(desk: Desk, home: Home) -> None:
    told(home, 1)
    assert desk.take(amended(1, name="WANG MEILING")) == []
    [why] = home.spool.dispatches.suppressed()
    assert (why.number, why.because_of, why.items) == ("T-000001", "S-000001", "氏名")


def test_an_echo_that_comes_before_the_registers_result_is_one_too(desk: Desk, home: Home) -> None:
    told(home)
    assert desk.take(amended(1, name="WANG MEILING")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "WANG OTHER"},  # another value than the ministry's
        {"name": "WANG MEILING", "changed_items": "氏名、国籍・地域", "nationality": "韓国"},  # one item is its own
        {"name": "WANG MEILING", "corrects": "T-000009"},  # it corrects what was sent before
        {"name": "WANG MEILING", "birth_date": "1991-01-31", "card_number": "XX00000000XX"},  # somebody else
        {
            "name": "WANG MEILING",
            "cause": "転居",
            "changed_items": "氏名、住所",
            "previous_address": "東京都新宿区西新宿二丁目8番1号",
            "basis": "住基法23条",
            "filed_on": dt.date(2026, 11, 20),
        },
    ],
)
def test_whatever_is_news_is_sent(desk: Desk, home: Home, change: dict[str, Any]) -> None:
    told(home, 1)
    assert desk.take(amended(1, **change)) == ts(1)
    assert home.spool.dispatches.suppressed() == []


def test_a_notice_causes_one_echo_and_not_every_later_change(desk: Desk, home: Home) -> None:
    """The register goes to another name by itself and back again: both are news."""
    told(home, 1)
    desk.take(amended(1, name="WANG MEILING"))
    desk.take(amended(2, name="WANG OTHER"))
    assert desk.take(amended(3, name="WANG MEILING")) == ts(2, 3)


def test_what_still_waits_for_a_clerk_has_caused_nothing(desk: Desk, home: Home) -> None:
    arrive(home, [special(1, name="KIM HANAKO", changed_items="氏名")])
    kim = {**KIM, "name": "KIM HANAKO", "category": "特別永住者", "card_number": None}
    change = amended(1, **kim, certificate_number="GH87654321IJ")
    assert desk.take(change) == ts(1)
    confirmation.refuse(home, *numbers(1), "別人です。")
    assert desk.take(amended(2, **kim, certificate_number="GH87654321IJ")) == ts(1, 2)


# -- daily and immediate


def test_a_daily_file_is_gathered_until_the_exchange_time(desk: Desk, home: Home, clock: Clock) -> None:
    desk.take(amended(1), mode="daily")
    clock(11, 20, 9, 30)
    desk.take(amended(2), mode="daily")
    assert desk.exchange() == []
    clock(11, 20, 17, 6)  # 17:00 and at most 300 s of jitter
    assert desk.exchange() == ts(1, 2)
    assert len(home.spool.outgoing.unreceipted()) == 1
    assert desk.modes() == ["daily"]


def test_whoever_asks_for_an_exchange_gets_what_was_gathered_but_not_what_is_due_later(desk: Desk) -> None:
    desk.take(amended(1), departing(2, dt.date(2026, 12, 10)), mode="daily")
    assert desk.exchange(asked=True) == ts(1)


def test_an_immediate_file_takes_along_what_was_gathered_of_the_same_person(desk: Desk) -> None:
    desk.take(amended(1), amended(2, **KIM, card_number="KK00000000KK"), mode="daily")
    assert desk.take(amended(3)) == ts(1, 3)
    assert desk.exchange(asked=True) == ts(1, 3, 2)


def test_on_a_daily_line_a_due_notice_goes_at_the_first_exchange_time_of_its_day(desk: Desk, clock: Clock) -> None:
    desk.take(departing(1, dt.date(2026, 12, 10)), mode="daily")
    clock(12, 10, 8, 44)
    assert desk.exchange() == []
    clock(12, 10, 8, 51)
    assert desk.exchange() == ts(1)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("day.csv", "immediate"),
        ("day.daily.csv", "daily"),
        ("day.immediate.xml", "immediate"),
        ("day.DAILY.CSV", "daily"),
        ("daily.csv", "immediate"),
    ],
)
def test_a_files_name_may_choose_its_mode(home: Home, name: str, mode: str) -> None:
    assert mode_of(home, name) == mode


def test_otherwise_the_settings_choose(offline: Any) -> None:
    home = offline.agent("131041", exchange={"mode": "daily"})
    assert mode_of(home, "day.csv") == "daily"
    assert mode_of(home, "day.immediate.csv") == "immediate"


def test_what_cannot_be_built_waits_with_an_alarm_and_holds_up_nothing_else(
    desk: Desk, home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.take(departing(1, dt.date(2026, 12, 10)))
    clock(12, 10, 9)

    def fails(*_: object) -> None:
        raise EncodingError("not carried by this version")

    with monkeypatch.context() as broken:
        broken.setattr(release, "builders", fails)
        assert desk.exchange() == []
    assert [alarm.kind for alarm in home.spool.alarms()] == ["waiting"]
    assert desk.exchange() == ts(1)
    assert home.spool.alarms() == []


def test_without_a_terminal_at_the_ministry_what_is_due_waits_on(desk: Desk, home: Home, clock: Clock) -> None:
    desk.take(departing(1, dt.date(2026, 12, 10)))
    clock(12, 10, 9)
    assert release.release_due(home, lambda _: None, gathered=False) == 0
    assert desk.exchange() == ts(1)
