"""The hard cases of docs/order.md, at the endpoint's side: each is named there with its outcome."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.home import Home, now
from renkei.agent.register import bridge, checking, confirmation
from renkei.agent.register.outgoing import sort
from renkei.agent.register.share import prepare
from renkei.agent.settings import JST
from renkei.domain.cards import ResidenceCardNumber
from renkei.domain.layouts import Layout, write
from renkei.store.outgoing import Source
from renkei.store.standings import Standing
from unit.agent.register_scenes import (
    KIM,
    Register,
    amended,
    arrive,
    bridged,
    departing,
    numbers,
    outcome,
    special,
    status,
)

CARD = ResidenceCardNumber("AB12345678CD")


@pytest.fixture
def home(offline: Any, tmp_path: Path) -> Home:
    return bridged(offline, tmp_path / "share")


@pytest.fixture
def register(home: Home, tmp_path: Path) -> Register:
    assert home.settings.bridge.folder == tmp_path / "share"
    return Register(tmp_path / "share")


def today() -> dt.date:
    return now().astimezone(JST).date()


def entered(number: int) -> Any:
    """WANG moved in (転入)."""
    move = {"action": "記載", "cause": "転入", "basis": "住基法22条", "filed_on": today(), "processed_on": today()}
    return amended(number, **{**move, "changed_items": None})


def left(number: int) -> Any:
    """WANG moves out again, today."""
    return departing(number, today(), processed_on=today(), filed_on=today())


def test_in_and_out_on_one_day(home: Home) -> None:
    plan = sort(home, [entered(1), left(2)], "immediate")
    assert [notice.number for notice in plan.at_once] == ["T-000001", "T-000002"]
    assert plan.later == []


def test_in_by_a_daily_file_and_out_by_an_immediate_one(home: Home) -> None:
    source = Source("1", "", "in.daily.csv", "2026-11-20T00:00:00Z", 1, 0)
    home.spool.outgoing.take(source, "ministry", "notices", [], sort(home, [entered(1)], "daily").note)
    plan = sort(home, [left(2)], "immediate")
    assert [waiting.number for waiting in plan.promoted] == ["T-000001"]
    assert [notice.number for notice in plan.at_once] == ["T-000002"]


def test_a_correction_of_a_correction_keeps_its_order(home: Home, register: Register) -> None:
    first = special(1, changed_items="氏名", name="KIM SUJ")
    second = special(2, changed_items="氏名", name="KIM SUJI", cause="誤り", corrects="S-000001")
    third = special(3, changed_items="氏名", name="KIM SOOJI", cause="誤り", corrects="S-000002")
    arrive(home, [first, second, third])
    for number in (3, 2, 1):
        assert register.take() == []
        confirmation.confirm(home, *numbers(number))
        bridge.tend(home)
    assert register.take() == numbers(1, 2, 3)


def test_a_correction_reaches_whom_it_corrects_even_when_nothing_else_is_the_same(
    home: Home, register: Register
) -> None:
    arrive(home, [special(1)])
    other = {"name": "PARK JIHOON", "birth_date": "1970-01-01", "sex": "男", "certificate_number": "QQ11111111QQ"}
    arrive(home, [status(2), special(3, **other, cause="誤り", corrects="S-000001")])
    assert register.take() == numbers(2)
    assert confirmation.confirm(home, *numbers(3)).standing is Standing.BEHIND


def test_a_notice_for_someone_not_yet_known(home: Home, register: Register) -> None:
    arrive(home, [status(1)])
    assert register.take() == numbers(1)
    outcome(home, *numbers(1), "エラー")  # 該当者なし
    assert [each.standing for each in home.spool.imports.unfinished()] == [Standing.FAILED]
    home.spool.imports.ask_again(*numbers(1))  # the 転入 was entered meanwhile; the ministry's copy comes
    arrive(home, [status(1)])
    assert register.take() == numbers(1)
    outcome(home, *numbers(1))
    assert home.spool.imports.unfinished() == []


def test_an_error_holds_nothing_back(home: Home, register: Register) -> None:
    arrive(home, [status(1)])
    register.take()
    outcome(home, *numbers(1), "エラー")
    arrive(home, [status(2, cause="誤り", corrects="S-000001")])
    assert register.take() == numbers(2)


def test_a_notice_overtaken_by_media(fleet: Any, tmp_path: Path) -> None:
    ministry: Home = fleet.agent("ministry")
    terminal: Home = fleet.agent("131041", bridge={"kind": "folder", "folder": tmp_path / "share"})
    (tmp_path / "share").mkdir()
    prepare(terminal)
    register = Register(tmp_path / "share")
    (ministry.settings.outbox / "131041").mkdir()
    medium = fleet.medium(ministry, tmp_path / "medium", "131041")
    fleet.exchange(terminal)
    for number in (1, 2):  # two parcels, both at the hub
        (ministry.settings.outbox / "131041" / f"{number}.csv").write_bytes(write([status(number)], Layout()))
        fleet.exchange(ministry)
    written = media.export(ministry, medium, terminal.party)
    first, _ = sorted(medium.glob("*/documents/*-manifest.*"))
    first.unlink()  # of the first nothing is on this medium
    fleet.cover_anew(ministry, medium / written.folder)
    assert media.import_all(terminal, medium).delivered == 0
    assert register.take() == []
    found = checking.check(terminal, CARD, reached=False, max_age=dt.timedelta(minutes=15))
    assert (found.verdict, found.unopened, found.missing) == (checking.Verdict.WAITING, 1, (1,))
    fleet.exchange(terminal)
    assert register.take() == numbers(1, 2)
    assert media.import_all(terminal, medium).delivered == 0
    assert register.take() == []
    assert KIM["name"] not in str(found)
