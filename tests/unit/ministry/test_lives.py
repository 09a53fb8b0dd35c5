"""Simulated lives: every type, one world for all parties, and an import whose answers reach every notice."""

import json
from collections import Counter
from datetime import date
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renkei.cli.ministry import app
from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import TYPES, CardIssueNotice, ImportResult, Inquiry, Notice, RegisterNotice, StatusNotice
from renkei.ministry.importing import import_all
from renkei.ministry.lives import notices_of_lives
from renkei.ministry.runs import runs

from .lives import PLACE, card_handed_out

TODAY = date(2026, 11, 26)


@pytest.fixture(scope="module")
def world() -> list[list[Notice]]:
    return notices_of_lives(PLACE, 600, 1, TODAY)


def test_every_type_and_every_cause_of_the_issue_happens(world: list[list[Notice]]) -> None:
    notices = [notice for life in world for notice in life]
    assert {type(each) for each in notices} == {each for each in TYPES if each.STREAM == "notices"}
    causes = {each.cause for each in notices if isinstance(each, RegisterNotice)}
    assert causes >= {"国外転入", "転入", "転出", "転居", "出生", "死亡", "国籍取得", "職権修正"}


def test_the_same_seed_draws_the_same_world_and_another_another(world: list[list[Notice]]) -> None:
    assert notices_of_lives(PLACE, 600, 1, TODAY) == world
    assert notices_of_lives(PLACE, 600, 2, TODAY) != world


def test_a_move_out_of_one_municipality_is_a_move_into_another(world: list[list[Notice]]) -> None:
    moves = 0
    for life in world:
        for before, after in pairwise(life):
            if isinstance(before, RegisterNotice) and before.cause == "転出":
                moves += 1
                assert after.municipality != before.municipality
    assert moves > 50


def test_files_hold_one_type_and_keep_everybodys_order(world: list[list[Notice]]) -> None:
    files = [notices for _, notices in runs(world, lambda notice: (TYPES.index(type(notice)), False))]
    assert all(len({type(each) for each in notices}) == 1 for notices in files)
    assert len(files) < 30
    order = [notice.number for notices in files for notice in notices]
    assert Counter(order) == Counter(notice.number for life in world for notice in life)
    place = {number: index for index, number in enumerate(order)}
    for life in world:
        assert [place[each.number] for each in life] == sorted(place[each.number] for each in life)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("to-municipalities", "from-municipalities", "sent"):
        (tmp_path / name).mkdir()
    return tmp_path


def answers(folder: Path) -> list[Notice]:
    return [
        notice
        for path in sorted((folder / "to-municipalities").iterdir())
        for notice in read(BytesIO(path.read_bytes()), TYPES).notices
    ]


def test_every_notice_gets_one_result_and_a_kill_changes_none(world: list[list[Notice]], folder: Path) -> None:
    said = [each for life in world for each in life if isinstance(each, StatusNotice)]
    (folder / "sent/1.csv").write_bytes(write(said, Layout()))
    sent = []
    for number, (_, notices) in enumerate(
        runs([[n for n in life if n.TO_MINISTRY] for life in world], lambda n: (TYPES.index(type(n)), False))
    ):
        (folder / f"from-municipalities/{number:010d}-00-x.csv").write_bytes(write(notices, Layout()))
        sent += [notice.number for notice in notices]
    outcome = import_all(folder, TODAY)
    results = [each for each in answers(folder) if isinstance(each, ImportResult)]
    assert Counter(each.target for each in results) == Counter(sent)
    assert len({each.number for each in results}) == len(results)
    assert outcome.results["取込済"] > 20 * outcome.results["エラー"] / 2 > 0
    assert outcome.results["未取込"] == 0, "every card that was handed out belongs to somebody"
    for path in (folder / "imported").iterdir():  # as if it had been killed before the files were moved
        path.rename(folder / "from-municipalities" / path.name)
    import_all(folder, TODAY)
    assert answers(folder) == results


def test_a_card_that_nobody_bears_is_not_imported_and_what_is_asked_for_is_sent_again(folder: Path) -> None:
    said = next(n for life in notices_of_lives(PLACE, 60, 1, TODAY) for n in life if isinstance(n, StatusNotice))
    (folder / "sent/1.csv").write_bytes(write([said], Layout()))
    card = card_handed_out("011011", "card-1")
    again = Inquiry(number="Q-1", municipality="011011", kind="再送依頼", target=said.number)
    for number, notice in enumerate(
        (card, again, Inquiry(number="Q-2", municipality="011011", kind="再送依頼", target="X9"))
    ):
        (folder / f"from-municipalities/{number}.csv").write_bytes(write([notice], Layout()))
    import_all(folder, TODAY)
    unknown, resent, never = answers(folder)
    assert isinstance(unknown, ImportResult)
    assert isinstance(never, ImportResult)
    assert isinstance(card, CardIssueNotice)
    assert (unknown.target, unknown.result) == ("card-1", "未取込")
    assert resent == said
    assert (never.target, never.result) == ("X9", "不明")


def test_the_command_counts_what_was_imported_now_and_ever(folder: Path) -> None:
    command = ["simulate-import", "--folder", str(folder), "--date", "2026-11-26", "--json"]
    for number in (1, 2):
        content = write([card_handed_out("011011", f"card-{number}")], Layout())
        (folder / f"from-municipalities/{number}.csv").write_bytes(content)
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
        account = {"imported": {"011011": number}, "answered": {}, "unanswered": {}}
        counts = {"notices": {"特定在留カード交付通知": 1}, "results": {"未取込": 1}}
        assert json.loads(said.stdout) == {**counts, "account": account}


def test_the_commands_make_each_partys_own_part(tmp_path: Path) -> None:
    places = ",".join(f"{code}={place}" for code, place in PLACE.items())
    counts = {}
    for party in ("ministry", *PLACE):
        command = ["simulate-lives", "--out", str(tmp_path / party), "--of", party, "--places", places]
        made = CliRunner().invoke(app, [*command, "--people", "40", "--seed", "3", "--date", "2026-11-26", "--json"])
        assert made.exit_code == 0, made.output
        counts[party] = json.loads(made.stdout)["notices"]
    assert sum(counts.values()) == sum(len(life) for life in notices_of_lives(PLACE, 40, 3, TODAY))
    assert min(counts.values()) > 0
