"""特別永住者 wait for a person's word, hold their own later notices and nobody else's."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.agent.home import Home
from renkei.agent.register import bridge, confirmation
from renkei.agent.register.confirmation import BadReason
from renkei.cli.agent import app
from renkei.store.standings import NotWaiting, Standing
from unit.agent.register_scenes import KIM, Register, arrive, bridged, numbers, outcome, special, status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "share"


@pytest.fixture
def home(offline: Any, folder: Path) -> Home:
    return bridged(offline, folder)


@pytest.fixture
def register(home: Home, folder: Path) -> Register:
    assert home.settings.bridge.folder == folder
    return Register(folder)


def run(home: Home, tmp_path: Path, *words: str) -> Result:
    config = tmp_path / "agent.toml"
    s = home.settings
    config.write_text(
        f'endpoint = "{s.endpoint}"\nterminal = "{s.terminal}"\nmachine_serial = "S"\nhome = "{s.home}"\n'
        f'trust_anchor = "{tmp_path / "root.pem"}"\ngateway = "{s.gateway}"\nenrolment = "{s.enrolment}"\n'
        f'[bridge]\nkind = "folder"\nfolder = "{s.bridge.folder}"\n'
    )
    return CliRunner().invoke(app, [*words, "--config", str(config)])


@pytest.fixture
def clerk(home: Home, tmp_path: Path, pki: Any) -> Any:
    (tmp_path / "root.pem").write_text(pki.anchor_file.read_text())
    return lambda *words: run(home, tmp_path, *words)


def standing(home: Home, number: int) -> Standing:
    found = home.spool.imports.find(*numbers(number))
    assert found is not None
    return found.standing


def test_it_holds_later_notices_of_the_same_person_and_nobody_elses(home: Home, register: Register) -> None:
    arrive(home, [special(1), special(2), status(3)])
    arrive(home, [special(4, name="PARK JIHOON", certificate_number="QQ11111111QQ", sex="男")])
    assert register.take() == numbers(3)
    confirmation.confirm(home, *numbers(1))
    bridge.tend(home)
    assert register.take() == numbers(1)
    assert standing(home, 2) is Standing.UNCONFIRMED


def test_a_later_notice_that_needs_no_word_waits_for_the_earlier_one(home: Home, register: Register) -> None:
    """KIM becomes a mid-to-long-term resident: that notice is imported by itself, but not before the first."""
    later = status(2, **KIM, card_number="KK00000000KK")
    arrive(home, [special(1), later, status(3)])
    assert register.take() == numbers(3)
    assert standing(home, 2) is Standing.BEHIND
    confirmation.confirm(home, *numbers(1))
    bridge.tend(home)
    assert register.take() == numbers(1, 2)


def test_confirmed_out_of_order_they_still_go_in_order(home: Home, register: Register) -> None:
    arrive(home, [special(1), special(2)])
    assert confirmation.confirm(home, *numbers(2)).standing is Standing.BEHIND
    bridge.tend(home)
    assert register.take() == []
    confirmation.confirm(home, *numbers(1))
    bridge.tend(home)
    assert register.take() == numbers(1, 2)


def test_a_change_of_name_and_number_at_once_is_held_behind_the_waiting_one(home: Home, register: Register) -> None:
    arrive(home, [special(1)])
    changed = "氏名、特別永住者証明書番号"
    arrive(home, [special(2, name="KIM HANAKO", certificate_number="ZZ99999999ZZ", changed_items=changed)])
    confirmation.confirm(home, *numbers(2))
    bridge.tend(home)
    assert register.take() == []
    assert standing(home, 2) is Standing.BEHIND


def test_what_waits_behind_another_holds_its_own_followers(home: Home, register: Register) -> None:
    """The third shares a card with the second alone, and the second waits for the first."""
    second = status(2, **KIM, card_number="KK00000000KK")
    third = status(3, **{**KIM, "name": "KIM HANAKO", "nationality": "中国"}, card_number="KK00000000KK")
    arrive(home, [special(1), second, third])
    assert register.take() == []
    confirmation.confirm(home, *numbers(1))
    bridge.tend(home)
    assert register.take() == numbers(1, 2, 3)


def test_a_refusal_lets_the_next_go_on_and_tells_the_ministry_why(home: Home, register: Register) -> None:
    arrive(home, [special(1), special(2)])
    confirmation.confirm(home, *numbers(2))
    confirmation.refuse(home, *numbers(1), "住民票と氏名が合いません。")
    bridge.tend(home)
    assert register.take() == numbers(2)
    [answer] = home.spool.dispatches.waiting()
    said = json.loads(answer.row)
    assert (answer.stream, answer.type) == ("results", "取込結果")
    assert (said["対象通知番号"], said["結果"], said["エラー項目"]) == (*numbers(1), "エラー", "通知全体")
    assert said["理由"] == "住民票と氏名が合いません。"
    refused = home.spool.imports.find(*numbers(1))
    assert refused is not None
    assert refused.row is None


@pytest.mark.parametrize("reason", ["=HYPERLINK()", "あ" * 201, "two\nlines"])
def test_a_reason_that_cannot_travel_changes_nothing(home: Home, reason: str) -> None:
    arrive(home, [special(1)])
    with pytest.raises(BadReason):
        confirmation.refuse(home, *numbers(1), reason)
    assert standing(home, 1) is Standing.UNCONFIRMED


def test_nothing_is_decided_twice_or_about_others(home: Home) -> None:
    arrive(home, [special(1), status(2)])
    for number in numbers(2, 7):
        with pytest.raises(NotWaiting):
            confirmation.confirm(home, number)
    confirmation.confirm(home, *numbers(1))
    with pytest.raises(NotWaiting):
        confirmation.refuse(home, *numbers(1), "理由")


# -- the sheet


def test_the_sheet_shows_what_was_before_and_what_is_after(home: Home, register: Register) -> None:
    arrive(home, [special(1, name="KIM OLD", changed_items="氏名")])
    first = (home.settings.sheets / "S-000001.html").read_text()
    assert "この端末には、同じ人についての以前の通知がありません。" in first
    confirmation.confirm(home, *numbers(1))
    bridge.tend(home)
    register.take()
    outcome(home, *numbers(1))
    arrive(home, [special(2, name="KIM NEW", changed_items="氏名")])
    assert [path.name for path in home.settings.sheets.iterdir()] == ["S-000002.html"]
    text = (home.settings.sheets / "S-000002.html").read_text()
    row = re.search(r'<tr class="changed">.*?</tr>', text, re.DOTALL)
    assert row is not None
    assert "KIM OLD" in row[0]
    assert "KIM NEW" in row[0]
    assert "通知番号 S-000001" in text
    assert 'lang="ja"' in text
    assert "http" not in re.sub(r"<!DOCTYPE.*?>", "", text)
    assert "size: A4" in text


def test_a_value_that_looks_like_markup_stays_a_value(home: Home) -> None:
    arrive(home, [special(1, nationality="<script>alert(1)</script>")])
    text = (home.settings.sheets / "S-000001.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_lost_sheet_is_made_again_and_a_decided_one_goes(home: Home) -> None:
    arrive(home, [special(1)])
    (home.settings.sheets / "S-000001.html").unlink()
    bridge.tend(home)
    assert (home.settings.sheets / "S-000001.html").exists()
    confirmation.refuse(home, *numbers(1), "理由")
    assert list(home.settings.sheets.iterdir()) == []


# -- the commands


def test_pending_lists_in_japanese_and_shows_nobody_unless_asked(home: Home, clerk: Any) -> None:
    arrive(home, [special(1), status(2), special(3)])
    listed = clerk("pending")
    assert listed.exit_code == 1
    assert "未取込者一覧 市区町村コード 131041: 3件" in listed.stdout
    assert "確認待ち 2件" in listed.stdout
    assert "KIM" not in listed.stdout
    assert "GH87654321IJ" not in listed.stdout
    shown = clerk("pending", "--show-values")
    assert "KIM SUJI" in shown.stdout
    assert "WANG SHUILI" in shown.stdout
    data = json.loads(clerk("pending", "--json").stdout)
    assert [(each["number"], each["standing"], each["name"]) for each in data["pending"]] == [
        ("S-000001", "unconfirmed", "＊＊＊"),
        ("S-000002", "handed", "＊＊＊"),
        ("S-000003", "unconfirmed", "＊＊＊"),
    ]
    assert max(len(line.encode("euc-jp", "replace")) for line in listed.stdout.splitlines()) <= 80


def test_a_clerk_confirms_and_refuses_by_command(home: Home, register: Register, clerk: Any) -> None:
    arrive(home, [special(1), special(2)])
    assert "取り込みます" in clerk("confirm", *numbers(1)).stdout
    assert register.take() == numbers(1)
    assert clerk("confirm", *numbers(2), "--refuse").exit_code == 2
    assert clerk("confirm", *numbers(2), "--reason", "x").exit_code == 2
    assert clerk("confirm", *numbers(2), "--refuse", "--reason", "別人です。").exit_code == 0
    assert clerk("pending").exit_code == 0
    again = clerk("confirm", *numbers(2))
    assert again.exit_code == 1
    assert "refused" in again.stderr
    assert clerk("register", "init").exit_code == 0
