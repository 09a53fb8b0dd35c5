"""Results and inquiries: what became of a notice comes back as a message of its own, asked for or not."""

import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.agent.home import Home
from renkei.agent.register import confirmation
from renkei.agent.register.share import prepare
from renkei.cli.agent import app
from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import ImportResult, Inquiry, Notice
from renkei.store.standings import Standing
from unit.agent.register_scenes import DAY, Register, amended, departing, numbers, special, status


class Sides:
    """Shinjuku with its register system on one side, the ministry's agent with its folders on the other."""

    def __init__(self, fleet: Any, folder: Path) -> None:
        folder.mkdir()
        self.fleet, self.register = fleet, Register(folder)
        self.ministry: Home = fleet.agent("ministry")
        self.home: Home = fleet.agent("131041", bridge={"kind": "folder", "folder": folder})
        prepare(self.home)
        self.config = fleet.write_config(self.home)
        self.round()

    def tell(self, *notices: Notice) -> None:
        """The ministry hands over notices for Shinjuku."""
        folder = self.ministry.settings.outbox / "131041"
        folder.mkdir(exist_ok=True)
        (folder / f"{notices[0].number}.csv").write_bytes(csv(notices))

    def round(self) -> None:
        """Both exchange until nothing is under way."""
        for _ in range(2):
            self.fleet.exchange(self.ministry)
            self.fleet.exchange(self.home)
        self.fleet.exchange(self.ministry)

    def heard(self) -> list[Notice]:
        """What the ministry's agent has delivered from Shinjuku, in the order of the streams."""
        folder = self.ministry.settings.inbox / "131041"
        found: list[Notice] = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            with path.open("rb") as stream:
                found += read(stream, [ImportResult, Inquiry, type(amended(1)), type(status(1))]).notices
        return found

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(self.config)])


def csv(notices: Sequence[Notice]) -> bytes:
    return write(notices, Layout())


def word(number: int, result: str = "取込済", /, **more: str) -> ImportResult:
    """What the register system writes about a notice of the ministry."""
    return ImportResult(
        number=f"W-{number:06d}",
        municipality="131041",
        target=f"S-{number:06d}",
        result=result,
        processed_on=DAY,
        **more,
    )


def asks(kind: str, target: str) -> Inquiry:
    return Inquiry(number=f"M-{target}", municipality="131041", kind=kind, target=target)


def standing(sides: Sides, number: int) -> Standing:
    found = sides.home.spool.imports.find(*numbers(number))
    assert found is not None
    return found.standing


@pytest.fixture
def sides(fleet: Any, tmp_path: Path) -> Sides:
    return Sides(fleet, tmp_path / "share")


@pytest.mark.quick
def test_the_registers_results_travel_as_parcels_of_their_own_stream(sides: Sides) -> None:
    sides.tell(status(1), status(2, card_number="AB00000002CD"))
    sides.round()
    assert sides.register.take() == numbers(1, 2)
    failed = word(2, "エラー", error_item="氏名", reason="該当者なし")
    sides.register.write("results.csv", csv([word(1), failed]))
    sides.round()
    assert [(each.target, each.result, each.reason) for each in sides.heard() if isinstance(each, ImportResult)] == [
        ("S-000001", "取込済", None),
        ("S-000002", "エラー", "該当者なし"),
    ]
    [message] = sides.home.spool.outgoing._messages("WHERE stream = 'results'", ())
    assert message.receipted_at is not None
    assert (standing(sides, 1), standing(sides, 2)) == (Standing.IMPORTED, Standing.FAILED)


@pytest.mark.quick
def test_a_notice_of_the_register_goes_to_the_ministry_and_its_result_comes_back(sides: Sides) -> None:
    sides.register.write("notices.csv", csv([amended(1), amended(2, card_number="AB00000002CD", name="LI MEI")]))
    sides.round()
    assert [each.number for each in sides.heard()] == ["T-000001", "T-000002"]
    answer = {"municipality": "131041", "processed_on": DAY}
    bad = {"result": "エラー", "error_item": "氏名", "reason": "該当者なし"}
    sides.tell(
        ImportResult(number="X-1", target="T-000001", result="取込済", **answer),
        ImportResult(number="X-2", target="T-000002", **bad, **answer),
    )
    sides.round()
    listed = sides.run("results", "--json")
    assert listed.exit_code == 1
    found = {each["number"]: each for each in json.loads(listed.stdout)["notices"]}
    assert found["T-000001"]["result"] == "取込済"
    assert (found["T-000002"]["error_item"], found["T-000002"]["reason"]) == ("氏名", "＊＊＊")
    assert found["T-000001"]["receipted_at"] is not None
    shown = sides.run("results", "--open", "--show-values").stdout
    assert "T-000001" not in shown
    assert "該当者なし" in shown


def test_results_reach_the_register_system_too_and_nobody_answers_a_result(sides: Sides) -> None:
    sides.tell(ImportResult(number="X-1", municipality="131041", target="T-9", result="取込済", processed_on=DAY))
    sides.round()
    [marker] = (sides.register.folder / "to-register").glob("*.ready")
    assert json.loads(marker.read_text())["type"] == "取込結果"
    found = sides.home.spool.imports.find("X-1")
    assert found is not None
    assert (found.standing, found.row) == (Standing.PASSED, None)
    assert sides.run("pending").exit_code == 0
    assert "0件" in sides.run("pending").stdout


@pytest.mark.parametrize(
    ("make", "result", "reason"),
    [
        ((), "不明", "届いていません"),
        ((status(1),), "未取込", "取込結果を待っています"),
        ((special(1),), "未取込", "確認を待っています"),
    ],
)
def test_an_inquiry_is_answered_by_what_is_known(
    sides: Sides, make: tuple[Notice, ...], result: str, reason: str
) -> None:
    if make:
        sides.tell(*make)
        sides.round()
    sides.tell(asks("状態照会", "S-000001"))
    sides.round()
    [answer] = [each for each in sides.heard() if isinstance(each, ImportResult)]
    assert (answer.target, answer.result) == ("S-000001", result)
    assert reason in (answer.reason or "")


def test_an_inquiry_about_what_is_decided_gets_the_decision(sides: Sides) -> None:
    sides.tell(status(1), special(2), special(3, name="PARK JIHOON", certificate_number="QQ11111111QQ", sex="男"))
    sides.round()
    sides.register.take()
    sides.register.write("results.csv", csv([word(1)]))
    confirmation.refuse(sides.home, *numbers(2), "別人です。")
    sides.round()
    before = len(sides.heard())
    for number in (1, 2):
        sides.tell(asks("状態照会", *numbers(number)))
    sides.round()
    answers = [each for each in sides.heard()[before:] if isinstance(each, ImportResult)]
    assert [(each.target, each.result, each.reason) for each in answers] == [
        ("S-000001", "取込済", None),
        ("S-000002", "エラー", "別人です。"),
    ]


def test_a_request_to_resend_brings_the_notice_again_under_its_own_number(sides: Sides) -> None:
    sides.register.write("notices.csv", csv([amended(1)]))
    sides.round()
    sides.tell(asks("再送依頼", "T-000001"))
    sides.round()
    first, second = (each for each in sides.heard() if not isinstance(each, ImportResult))
    assert first == second
    sequences = [m.sequence for m in sides.home.spool.outgoing._messages("WHERE stream = 'notices'", ())]
    assert sequences == [1, 2]


def test_what_was_never_sent_cannot_be_sent_again(sides: Sides) -> None:
    sides.tell(asks("再送依頼", "T-000077"))
    sides.round()
    [answer] = sides.heard()
    assert isinstance(answer, ImportResult)
    assert (answer.target, answer.result) == ("T-000077", "不明")


def test_a_terminal_asks_for_a_notice_again_and_never_imports_it_twice(sides: Sides) -> None:
    sides.tell(status(1))
    sides.round()
    assert sides.register.take() == numbers(1)
    again = status(1)

    def resent() -> list[str]:
        """The ministry sends the notice in another message; with one notice more it is another file."""
        sides.fleet.exchange(sides.ministry)
        folder = sides.ministry.settings.outbox / "131041"
        (folder / f"again-{dt.datetime.now(dt.UTC).timestamp()}.csv").write_bytes(csv([again, status(len(told) + 50)]))
        told.append(1)
        sides.round()
        return [number for number in sides.register.take() if number == again.number]

    told: list[int] = []
    assert resent() == []  # unasked, a known number changes nothing
    asked = sides.run("inquire", *numbers(1), "--resend")
    assert (asked.exit_code, "再送依頼" in asked.stdout) == (0, True)
    sides.round()
    [inquiry] = [each for each in sides.heard() if isinstance(each, Inquiry)]
    assert (inquiry.kind, inquiry.target) == ("再送依頼", "S-000001")
    assert resent() == numbers(1)  # the register had lost it
    sides.register.write("results.csv", csv([word(1)]))
    sides.round()
    sides.run("inquire", *numbers(1), "--resend")
    assert resent() == []  # imported meanwhile
    assert standing(sides, 1) is Standing.IMPORTED


def test_the_same_number_with_other_content_is_alarmed_and_left_alone(sides: Sides) -> None:
    sides.tell(status(1))
    sides.round()
    sides.ministry.settings.outbox.joinpath("131041", "b.csv").write_bytes(csv([status(1, name="LI MEI")]))
    sides.round()
    assert sides.register.take() == numbers(1)
    assert [(alarm.kind, alarm.subject) for alarm in sides.home.spool.alarms()] == [("number", "S-000001")]


def test_asking_what_became_of_a_notice(sides: Sides) -> None:
    assert sides.run("inquire", "T-000001").exit_code == 0
    assert sides.home.settings.request_file.exists()
    sides.round()
    [inquiry] = sides.heard()
    assert isinstance(inquiry, Inquiry)
    assert (inquiry.kind, inquiry.target) == ("状態照会", "T-000001")
    assert sides.run("inquire", "AB12345678CD").exit_code == 2


def test_what_waits_for_its_day_and_what_is_an_echo_stand_among_the_results(sides: Sides) -> None:
    sides.tell(status(1, name="WANG MEILING", changed_items="氏名"))
    sides.round()
    sides.register.take()
    planned = departing(2, dt.date(2099, 12, 10))
    sides.register.write("notices.csv", csv([amended(1, name="WANG MEILING"), planned]))
    sides.round()
    assert sides.heard() == []
    shown = sides.run("results").stdout
    assert re.search(r"T-000002 +市町村通知 +2099-12-10 00:00 以降", shown)
    assert re.search(r"T-000001 .*施行令24条1項.* S-000001 による修正\(氏名\)", shown)
    data = json.loads(sides.run("results", "--json").stdout)
    assert [each["waits_until"] for each in data["notices"]] == ["2099-12-09T15:00:00Z"]
