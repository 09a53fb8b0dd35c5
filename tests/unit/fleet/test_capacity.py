"""A month worked out by hand on small fleets, what is advised where a deadline is missed, and the command."""

import json
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from renkei.cli.capacity import capacity
from renkei.domain.windows import JST
from renkei.fleet.capacity.calendar import working_day
from renkei.fleet.capacity.country import line_for, usable
from renkei.fleet.capacity.outcome import Outcome, simulate
from renkei.fleet.capacity.questions import answers, speeds_of
from renkei.fleet.capacity.updates import read_month
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet

from .conftest import INVENTORY, Draft

UPDATES = INVENTORY / "updates.yml"
PLAIN = {
    "line_bytes: 2060000000": "line_bytes: 3600000000",
    "line_bytes: 42928083": "line_bytes: 0",
    "line_bytes: 20000000": "line_bytes: 0",
    "payload_percent: 94.9": "payload_percent: 100",
    "asp_percent: 80": "asp_percent: 100",
    "piece_bytes: 1048576": "piece_bytes: 1000000000",
    "round_trip_ms: 30": "round_trip_ms: 1",
    "largest_endpoint_a_day: 290": "largest_endpoint_a_day: 0",
}
ASP_4000, ASP_64 = ({"line_kbps: 100000\n  outside": f"line_kbps: {kbps}\n  outside"} for kbps in (4000, 64))
app = typer.Typer()
app.command()(capacity)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


def edit(file: Path, changes: dict[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")


class Small:
    """The lab with lines, windows and a month that a test chooses."""

    def __init__(self, draft: Draft, month: Path) -> None:
        self.draft, self.month = draft, month
        shutil.copy(UPDATES, month)

    def fleet(self, **changes: str) -> None:
        edit(self.draft.folder / "fleet.yml", {key.replace("__", " "): value for key, value in changes.items()})

    def outcome(self, code: str, *, urgent: bool = False) -> Outcome:
        result = simulate(load_fleet(self.draft.folder), read_month(self.month), urgent=urgent)
        return next(each for each in result.outcomes if each.endpoint.code.value == code)


@pytest.fixture
def small(draft: Draft, tmp_path: Path) -> Small:
    """Lines of 8 Mbps, a million bytes a second, of which updates may take half."""
    made = Small(draft, tmp_path / "updates.yml")
    for speed in (",10000,", ",100000,"):
        draft.edit("endpoints.csv", speed, ",8000,")
    edit(
        draft.folder / "fleet.yml",
        {"office_hours_percent: 20, otherwise_percent: 80": "office_hours_percent: 50, otherwise_percent: 50"},
    )
    edit(made.month, PLAIN)
    return made


def test_two_hours_of_half_a_line_and_an_hour_of_installing_by_hand(small: Small) -> None:
    """3.6 GB at half of 1 MB/s from 18:00: two hours; 22:00 is two hours off, and an installation needs 90 minutes."""
    found = small.outcome("131041")
    assert found.begins_at == at("2026-12-09 18:00")
    assert found.fetched_at == at("2026-12-09 20:00")
    assert found.fetch_hours == pytest.approx(2, abs=1e-3)
    assert found.installed_at == at("2026-12-09 21:00")
    assert found.deadline == at("2026-12-24 00:00")
    assert found.busiest_percent == pytest.approx(50, abs=0.01)
    assert found.late == ()
    assert found.bytes == {"notices": 0, "patterns": 0, "agent": 0, "cumulative": 3_600_000_000}


def test_a_window_that_is_too_short_for_the_rest_waits_for_the_next(small: Small) -> None:
    edit(small.month, {"line_bytes: 3600000000": "line_bytes: 5400000000"})
    found = small.outcome("131041")
    assert found.fetched_at == at("2026-12-09 21:00")
    assert found.installed_at == at("2026-12-10 18:30")


def test_two_endpoints_share_the_asp_s_line_in_equal_parts(small: Small) -> None:
    """Each could take 0.5 MB/s, the ASP has 0.5 MB/s for both: four hours."""
    edit(
        small.draft.folder / "fleet.yml",
        {"early: 2,": "early: 0,", "line_kbps: 100000\n  outside": "line_kbps: 4000\n  outside"},
    )
    for code in ("131041", "011011"):
        assert small.outcome(code).fetched_at == at("2026-12-09 22:00")


def test_an_urgent_update_begins_in_all_rings_at_once(small: Small) -> None:
    assert small.outcome("011011").begins_at == at("2026-12-11 18:00")
    urgent = small.outcome("011011", urgent=True)
    assert (urgent.begins_at, urgent.deadline) == (at("2026-12-09 18:00"), at("2026-12-17 00:00"))


def test_a_round_trip_slows_what_comes_in_pieces(small: Small) -> None:
    """Pieces of 50 kB in 50 ms each and a round trip of 50 ms: half the speed, four hours."""
    edit(small.month, {"piece_bytes: 1000000000": "piece_bytes: 50000", "round_trip_ms: 1": "round_trip_ms: 50"})
    assert small.outcome("131041").fetched_at == at("2026-12-09 22:00")


def test_a_terminal_that_is_off_gets_nothing_until_the_office_opens(small: Small) -> None:
    edit(small.draft.folder / "fleet.yml", {"otherwise_percent: 50": "otherwise_percent: 0"})
    found = small.outcome("131041")
    # two hours of half a line from 08:30 on; the hour from 8 to 9 counts half
    assert found.fetched_at == at("2026-12-10 10:30")
    assert found.installed_at == at("2026-12-10 18:30")


def test_a_medium_is_carried_read_and_installed_in_a_window(small: Small) -> None:
    """Main begins on Monday the 14th: two working days, 09:00, 5.48 GB at 20 MB/s are 4.6 minutes, then 17:30."""
    found = small.outcome("012271")
    assert found.by_medium
    assert found.fetched_at == at("2026-12-16 09:05")
    assert found.installed_at == at("2026-12-16 18:30")
    assert found.notices_seconds is None


def test_patterns_on_media_grow_old_over_the_year_s_end_and_that_is_said(small: Small) -> None:
    """Those sent on 21 December serve until 09:00 on 5 January: the next, sent on the 28th, are carried over it."""
    found = small.outcome("012271")
    assert found.patterns_hours == 15 * 24 + 9
    assert found.late == ("patterns",)
    assert [each.kind for each in found.advice] == ["media"]
    edit(small.month, {"patterns_media_days: 11": "patterns_media_days: 16"})
    assert small.outcome("012271").late == ()


def test_the_advised_line_holds_and_a_slower_one_does_not(small: Small) -> None:
    edit(small.draft.folder / "fleet.yml", {"deadline_days: 14": "deadline_days: 6", "main: 5": "main: 2"})
    edit(small.draft.folder / "endpoints.csv", {"canary,folder,8000,": "canary,folder,64,"})
    found = small.outcome("131041")
    assert "update" in found.late
    advised = {each.kind: each.en for each in found.advice}
    assert "line" in advised
    assert len(advised) > 1  # a slow line has another way out
    mbps = float(advised["line"].split()[3])
    for kbps, late in ((int(mbps * 1000), False), (int(mbps * 1000) - 100, True)):
        text = (small.draft.folder / "endpoints.csv").read_text(encoding="utf-8")
        before = "canary,folder,64," if "folder,64," in text else f"canary,folder,{int(mbps * 1000)},"
        edit(small.draft.folder / "endpoints.csv", {before: f"canary,folder,{kbps},"})
        assert ("update" in small.outcome("131041").late) is late


def test_windows_that_are_too_short_are_the_advice(small: Small) -> None:
    edit(small.draft.folder / "fleet.yml", {'["17:30-22:00"]': '["17:30-18:30"]'})
    found = small.outcome("131041")
    assert (found.installed_at, found.late) == (None, ("update",))
    assert found.advice[0].en == "a window of 90 minutes before the deadline (the longest has 60)"


def test_a_full_line_of_the_asp_is_said_to_be_the_cause(small: Small) -> None:
    edit(small.draft.folder / "fleet.yml", {"deadline_days: 14": "deadline_days: 6", **ASP_64})
    found = small.outcome("131041")
    assert found.late == ("update",)
    assert found.advice[0].kind == "spread"
    assert "the ASP's line" in found.advice[0].en


def test_a_medium_that_comes_too_late_is_to_come_earlier(small: Small) -> None:
    edit(small.draft.folder / "fleet.yml", {"deadline_days: 14": "deadline_days: 6"})
    found = small.outcome("012271")
    assert found.late[0] == "update"
    assert "1 days earlier" in found.advice[0].en


def test_patterns_that_a_line_can_t_carry_in_a_day_are_late(small: Small) -> None:
    edit(small.month, {"line_bytes: 0\n  media_bytes: 200000000": "line_bytes: 50000000000\n  media_bytes: 200000000"})
    found = small.outcome("131041")
    assert "patterns" in found.late
    assert "line" in {each.kind for each in found.advice}


@pytest.mark.parametrize("kbps", [64, 1500, 100_000])
def test_a_line_for_a_rate_is_the_inverse_of_the_rate_of_a_line(kbps: int) -> None:
    month = read_month(UPDATES)
    assert line_for(usable(kbps, 30, month), 30, month) == pytest.approx(kbps)
    assert line_for(1e15, 30, month) is None  # no line is fast enough for pieces that wait for one another


def test_the_ministry_s_working_days_leap_over_the_year_s_end() -> None:
    assert working_day(date(2026, 12, 26), 0) == date(2026, 12, 28)
    assert working_day(date(2026, 12, 28), 1) == date(2027, 1, 4)


@pytest.mark.thorough
def test_the_country_is_simulated_whole_and_the_questions_have_figures(sample: Fleet) -> None:
    result = simulate(sample, read_month(UPDATES))
    assert len(result.outcomes) == 1892
    assert sum(len(each.outcomes) for each in speeds_of(result)) == 1892
    load, served = result.country.load, result.course.served
    assert (served.sum(axis=0) <= load.line * (1 + 1e-9)).all()
    assert (served.sum(axis=(0, 2)) <= load.egress * (1 + 1e-9)).all()
    asked = list(answers(result))
    assert len(asked) == 3
    assert "LGWAN" in asked[0].question[0]
    assert all(any(sign.isdigit() for sign in text) for each in asked for text in each.answer)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"2026-12-09"', '"2026-02-30"', "'2026-02-30' is no day of the calendar"),
        ("line_bytes: 2060000000", "line_bytes: -1", "-1 is less than the minimum of 0"),
        ("name: agent", "name: cumulative", "the updates are cumulative, cumulative"),
        ("name: agent", "name: patterns", "patterns is no update's name"),
        ("asp_percent: 80", "asp_percent: 0", "0 is less than the minimum of 1"),
        ("media:", "medias:", "'media' is a required property"),
        ("    as_of:", "    of:", "'as_of' is a required property"),
        ('delivered_at: "18:00"', 'delivered_at: "18:30"', "'18:30' does not match"),
    ],
)
def test_bad_input_is_named_with_its_line_and_exits_2(tmp_path: Path, old: str, new: str, what: str) -> None:
    file = tmp_path / "updates.yml"
    shutil.copy(UPDATES, file)
    edit(file, {old: new})
    result = run("--fleet", str(INVENTORY / "lab"), "--updates", str(file), code=2)
    assert f"{file}:" in result.stderr
    assert what in result.stderr


def run(*words: str, code: int) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result


def test_the_command_tells_of_the_lab_in_80_columns() -> None:
    text = run("--fleet", str(INVENTORY / "lab"), code=1).stdout
    assert "1.5 Mbps" not in text  # 012271's line is down: it is on media
    assert "012271 歌志内市" in text
    assert "This rests on" in text
    assert all(len(line.encode("cp932", "replace")) <= 80 for line in text.splitlines())


def test_the_command_gives_every_endpoint_as_json_and_one_by_the_hour() -> None:
    data: Any = json.loads(run("--fleet", str(INVENTORY / "lab"), "--json", code=1).stdout)
    assert [each["endpoint"] for each in data["endpoints"]] == ["011011", "012271", "131041"]
    assert data["late"] == 1
    one = data["endpoints"][2]
    assert sum(one["bytes_by_day"]) == pytest.approx(sum(one["bytes"].values()), abs=20)
    assert {each["what"] for each in data["assumptions"]} >= {"cumulative", "patterns", "notices", "lines", "media"}
    by_hour = json.loads(run("--fleet", str(INVENTORY / "lab"), "--endpoint", "131041", "--json", code=1).stdout)
    assert len(by_hour["endpoints"][0]["bytes_by_hour"]) == 24 * 31


def test_the_command_draws_one_endpoint_by_day_and_hour() -> None:
    text = run("--fleet", str(INVENTORY / "lab"), "--endpoint", "131041", code=1).stdout
    assert "12-09 Wed" in text
    assert "█" in text or "·" in text
    assert "installed" in text


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--endpoint", "999999"], "has no endpoint '999999'"),
        (["--endpoint", "asp"], "has no endpoint 'asp'"),
        (["--released", "soon"], "--released 'soon' is no day"),
        (["--released", "9999-12-31"], "lies outside of the years 2000 to 2099"),
        (["--updates", "/nowhere.yml"], "can't be read"),
        pytest.param(["--page", "/proc/x/index.html"], "can't write the page", marks=pytest.mark.thorough),
    ],
)
def test_a_wrong_call_exits_2_and_says_why(words: list[str], what: str) -> None:
    assert what in run("--fleet", str(INVENTORY / "lab"), *words, code=2).stderr


def test_a_fleet_on_media_alone_needs_no_line(draft: Draft, tmp_path: Path) -> None:
    for link in (",online,", ",on_demand,"):
        draft.edit("endpoints.csv", link, ",media,")
    words = ["--fleet", str(draft.folder), "--page", str(tmp_path / "page.html"), "--json"]
    data = json.loads(run(*words, code=1).stdout)
    assert {tuple(each["late"]) for each in data["endpoints"]} == {("patterns",)}
    assert sum(data["asp"]["bytes_by_hour"]) == 0
    assert len(data["answers"]) == 2
    assert "媒体を追加で" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_problems_of_fleet_and_month_come_together(draft: Draft, tmp_path: Path) -> None:
    draft.edit("endpoints.csv", ",online,", ",always,")
    file = tmp_path / "updates.yml"
    shutil.copy(UPDATES, file)
    edit(file, {"asp_percent: 80": "asp_percent: 800"})
    text = run("--fleet", str(draft.folder), "--updates", str(file), code=2).stderr
    assert "endpoints.csv:4: link 'always' is unknown" in text
    assert "updates.yml:" in text
