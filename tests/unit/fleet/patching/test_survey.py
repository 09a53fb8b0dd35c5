"""From files that came in to the country's standing: what is believed, what is kept, what is computed of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.crl import sign_crl
from renkei.exchange.patterns import PatternState
from renkei.fleet.controls.exceptions import ControlException
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.patching.intake import Believer, Taken, Taking
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.survey import Question, Report, survey
from renkei.fleet.patching.words import act, why
from renkei.store.patch_states import KEEP_SECONDS, PatchStates

from .scenes import BEFORE, DAY, FIRST_KB, FULL, NEXT_KB, NOW, OLD, Ministry, catalogues, said

INVENTORY = Path(__file__).parents[4] / "inventory"
SHINJUKU, SAPPORO, MEDIA = ("131041", "R2026-0001"), ("011011", "R2025-0001"), ("012271", "R2024-0001")


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture(scope="module")
def lab() -> Fleet:
    return load_fleet(INVENTORY / "lab")


@pytest.fixture
def states(tmp_path: Path) -> Any:
    with PatchStates(tmp_path / "states.db") as store:
        yield store


Take = Callable[..., Taken]


@pytest.fixture
def taking(states: PatchStates, ministry: Ministry, tmp_path: Path) -> Take:
    def run(*files: Path, believer: Believer | None = None) -> Taken:
        taking = Taking(states, believer or Believer(ministry.anchor), NOW)
        taking.read(files or sorted(tmp_path.glob("*.json")))
        return taking.taken

    return run


def ask(lab: Fleet, states: PatchStates, ministry: Ministry, *exceptions: ControlException, days: int = 28) -> Report:
    return survey(lab, states, catalogues(), Believer(ministry.anchor), exceptions, Question(NOW, days))


def test_what_machines_signed_is_kept_once_and_the_files_stay(
    states: PatchStates, ministry: Ministry, taking: Take, tmp_path: Path
) -> None:
    file = ministry.put(tmp_path, said(*SHINJUKU, NOW))
    assert taking() == Taken(1, 0, (), ())
    assert taking() == Taken(0, 1, (), ())
    assert file.exists()
    found = states.newest(*SHINJUKU, int(NOW.timestamp()))
    assert found is not None
    assert found.kept.said_at == int(NOW.timestamp())


def test_what_nobody_vouches_for_is_refused_by_name_and_the_rest_is_kept(
    ministry: Ministry, taking: Take, tmp_path: Path
) -> None:
    good = ministry.put(tmp_path, said(*SHINJUKU, NOW))
    foreign = Ministry().put(tmp_path, said(*SAPPORO, NOW), "foreign")
    entry = ministry.entry(*SAPPORO)
    ministry.machines["012271", "R2024-0001"] = entry
    other = ministry.put(tmp_path, said(*MEDIA, NOW), "other")
    del ministry.machines["012271", "R2024-0001"]
    broken = tmp_path / "broken.json"
    broken.write_text('{"entry": 1}')
    altered = tmp_path / "altered.json"
    altered.write_text(good.read_text().replace("keyid", "idkey"))
    taken = taking(altered, broken, foreign, good, other)
    assert taken.new == 1
    assert [Path(each.place).stem for each in taken.refused] == ["altered", "broken", "foreign", "other"]
    assert "signed what is said of 012271" in taken.refused[-1].why


def test_a_clock_that_is_ahead_makes_nothing_fresher(
    states: PatchStates, ministry: Ministry, taking: Take, lab: Fleet, tmp_path: Path
) -> None:
    ministry.put(tmp_path, said(*SHINJUKU, NOW + 30 * DAY))
    assert taking().ahead == ("131041/R2026-0001",)
    later = survey(lab, states, catalogues(), Believer(ministry.anchor), (), Question(NOW + 31 * DAY))
    row = next(each for each in later.rows if each.machine.endpoint == "131041")
    assert row.standing is Standing.UNKNOWN


def test_a_revoked_machine_s_word_counts_for_nothing(
    states: PatchStates, ministry: Ministry, taking: Take, lab: Fleet, tmp_path: Path
) -> None:
    ministry.put(tmp_path, said(*SHINJUKU, NOW))
    taking()
    certificate = ministry.certificate(*SHINJUKU)
    crl = sign_crl([(certificate.serial_number, NOW)], ministry.issuing, NOW, 1, 1)
    anchor = ministry.anchor
    anchor.take_crl(crl, NOW)
    report = survey(lab, states, catalogues(), Believer(anchor), (), Question(NOW))
    row = next(each for each in report.rows if each.machine.endpoint == "131041")
    assert row.standing is Standing.UNKNOWN
    assert "revoked" in row.refused


def test_the_country_is_judged_by_machine_ring_and_prefecture_and_says_whom_to_act_on(
    states: PatchStates, ministry: Ministry, taking: Take, lab: Fleet, tmp_path: Path
) -> None:
    ministry.put(tmp_path, said(*SHINJUKU, NOW))
    ministry.put(tmp_path, said(*SAPPORO, NOW - DAY, build=OLD, installed=[], missing=[FIRST_KB]))
    taking()
    report = ask(lab, states, ministry)
    assert {row.machine.terminal: row.standing for row in report.rows} == {
        "R2025-0001": Standing.LATE,
        "R2024-0001": Standing.UNKNOWN,
        "R2026-0001": Standing.UP_TO_DATE,
    }
    assert [row.machine.terminal for row in report.act_on] == ["R2025-0001", "R2024-0001"]
    assert [(group.name, group.total, group.oldest_days) for group in report.by_prefecture] == [
        ("北海道", 2, 40),
        ("東京都", 1, 0),
    ]
    assert [group.name for group in report.by_ring] == ["canary", "early", "main"]
    assert [report.lacking(each) for each in report.want.updates] == [1, 1]
    exception = ControlException("update-source", ("prefecture_01",), "a machine of a trial", "部長", NOW.date())
    excused = ask(lab, states, ministry, exception)
    assert excused.rows[0].standing is Standing.EXCEPTED
    ended = replace(exception, until=NOW.date() - DAY)
    assert ask(lab, states, ministry, ended).rows[0].standing is Standing.LATE


def test_the_days_before_are_computed_from_what_was_said_then(
    states: PatchStates, ministry: Ministry, taking: Take, lab: Fleet, tmp_path: Path
) -> None:
    lacking: dict[str, Any] = {"build": BEFORE, "installed": [FIRST_KB], "missing": [NEXT_KB]}
    for back in range(14, -1, -1):
        for place in (SHINJUKU, SAPPORO, MEDIA):
            change = lacking if 5 <= back < 10 else {}
            ministry.put(tmp_path, said(*place, NOW - back * DAY, **change), f"{place[0]}-{back}")
    assert taking().new == 45
    trend = ask(lab, states, ministry, days=10).trend
    assert len(trend) == 11
    assert trend[-1].at == NOW
    due = [day.counts.get(Standing.DUE, 0) for day in trend]
    assert due == [0, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0]  # what is said at noon stands at the end of that day
    assert all(sum(day.counts.values()) == 3 for day in trend)


def test_an_antivirus_that_stops_is_late_a_day_after_its_last_patterns_and_says_so(
    states: PatchStates, ministry: Ministry, lab: Fleet
) -> None:
    """It had spoken for weeks; another machine's is of an earlier release and never did; a third one's has returned."""
    for back in range(20, -1, -1):
        stopped = {"patterns": None} if back < 3 else {}
        returned = {"patterns": None} if 0 < back < 3 else {}
        states.keep([ministry.evidence(said(*SHINJUKU, NOW - back * DAY, **stopped))])
        states.keep([ministry.evidence(said(*SAPPORO, NOW - back * DAY, patterns=None))])
        states.keep([ministry.evidence(said(*MEDIA, NOW - back * DAY, **returned))])
    report = ask(lab, states, ministry, days=4)
    rows = {row.machine.endpoint: row for row in report.rows}
    assert [rows[place[0]].judgement.patterns_unsaid for place in (SHINJUKU, SAPPORO, MEDIA)] == [True, True, False]
    assert (report.with_unsaid_patterns, report.with_old_patterns) == (2, 0)
    assert [row.standing for row in report.act_on] == [Standing.LATE, Standing.LATE]
    assert why(rows[SHINJUKU[0]], NOW) == (
        "ウイルス対策ソフトから定義の版の報告がありません（24時間まで）",
        "its antivirus has said nothing of its patterns for longer than 24 hours",
    )
    assert "see whether its antivirus runs" in act(rows[SHINJUKU[0]])[1]
    late = [day.counts.get(Standing.LATE, 0) for day in report.trend]
    assert late == [1, 1, 2, 2, 2]  # Sapporo's on every day, Shinjuku's from its second word without
    excused = ControlException("malware-patterns", ("prefecture_13",), "another maker's antivirus", "部長", NOW.date())
    again = {row.machine.endpoint: row for row in ask(lab, states, ministry, excused, days=1).rows}
    assert again[SHINJUKU[0]].standing is Standing.UP_TO_DATE


def test_what_is_late_by_patterns_alone_is_told_what_to_do_about_them(
    states: PatchStates, ministry: Ministry, lab: Fleet
) -> None:
    """An update that it lacks, too, isn't due yet: it isn't what to act on."""
    lacking: dict[str, Any] = {"build": BEFORE, "installed": [FIRST_KB], "missing": [NEXT_KB]}
    old = {"patterns": PatternState(version="1.430.7.0", made_at=NOW - 30 * DAY)}
    for place in (SHINJUKU, MEDIA):
        states.keep([ministry.evidence(said(*place, NOW - DAY, **lacking, **old))])
    rows = {row.machine.endpoint: row for row in ask(lab, states, ministry, days=1).rows}
    assert act(rows[SHINJUKU[0]])[1] == "see why it doesn't reach the update service"
    assert act(rows[MEDIA[0]])[1] == "send a medium with patterns"


def test_no_day_is_judged_before_the_first_catalogue(states: PatchStates, ministry: Ministry, lab: Fleet) -> None:
    trend = ask(lab, states, ministry, days=60).trend
    assert len(trend) == 41


def test_pages_of_what_was_said_lose_and_repeat_nothing(states: PatchStates, ministry: Ministry) -> None:
    same = [ministry.evidence(said(*SHINJUKU, NOW - DAY)), ministry.evidence(said(*SAPPORO, NOW - DAY))]
    assert states.keep([*same, ministry.evidence(said(*SHINJUKU, NOW))]) == 3
    at = int(NOW.timestamp())
    assert [each.said_at for each in states.between(at - 2 * 86400, at)] == [at - 86400, at - 86400, at]
    assert len(list(states.between(at - 86400, at))) == 1
    assert states.forget(at + KEEP_SECONDS) == 2
    assert [each.said_at for each in states.between(0, at)] == [at]


def test_what_a_machine_says_is_told_in_both_languages_with_what_to_do(
    states: PatchStates, lab: Fleet, ministry: Ministry
) -> None:
    old = {"build": OLD, "installed": [], "missing": [FIRST_KB], "stage": "blocked"}
    for place, problem in ((SHINJUKU, FULL), (SAPPORO, "something that no table knows")):
        states.keep([ministry.evidence(said(*place, NOW - DAY, **old, problem=problem))])
    rows = {row.machine.endpoint: row for row in ask(lab, states, ministry).rows}
    known, unknown = rows[SHINJUKU[0]], rows[SAPPORO[0]]
    assert why(known, NOW) == ("端末の報告：システムドライブの空きが812 MiBです（10240 MiB必要）", f"it says: {FULL}")
    assert act(known)[1] == "have the endpoint make room on the system's volume"
    assert why(unknown, NOW)[0] == "端末の報告：something that no table knows"
    assert act(unknown)[1] == "remove what the machine reports"


def test_what_a_machine_says_moves_no_cursor_and_turns_no_text(
    states: PatchStates, lab: Fleet, ministry: Ministry
) -> None:
    old = {"build": OLD, "installed": [], "missing": [FIRST_KB], "stage": "blocked"}
    for place, problem in ((SHINJUKU, "\x9b2J and \u202eturned"), (SAPPORO, "KB1: dism, code 5: \x9b2J\u202e")):
        states.keep([ministry.evidence(said(*place, NOW - DAY, **old, problem=problem))])
    rows = {row.machine.endpoint: row for row in ask(lab, states, ministry).rows}
    assert why(rows[SHINJUKU[0]], NOW)[1] == "it says:  2J and  turned"
    assert all(each.isprintable() for place in (SHINJUKU, SAPPORO) for each in why(rows[place[0]], NOW))
