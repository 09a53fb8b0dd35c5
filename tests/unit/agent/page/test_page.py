"""The clerk's page: what it says and does. A browser has a test of its own."""

import ast
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from renkei.agent import page as page_package
from renkei.agent import platform
from renkei.agent.activity import Activity
from renkei.agent.exchange import alone
from renkei.agent.home import Home, stamp
from renkei.agent.page import app as page_app
from renkei.agent.page import words
from renkei.agent.page.server import page
from renkei.agent.page.standing import Planned, overview
from renkei.agent.register.pending import STANDINGS
from renkei.agent.settings import JST, Link, SettingsError, load
from renkei.cli.agent import app
from renkei.exchange.certificates import make_key
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.patterns import PatternState
from renkei.exchange.updates import PatchState
from renkei.store.standings import Standing
from renkei.store.updates import Said
from unit.agent.page_scenes import Clerk, page_settings
from unit.agent.register_scenes import KIM, Register, arrive, special, status

# -- what it says


def test_nobodys_name_is_shown_before_somebody_asks(clerk: Clerk, home: Home) -> None:
    arrive(home, [special(1), status(2)])
    listed = clerk.get("pending").text
    assert "S-000001" in listed
    assert "S-000002" in listed
    assert KIM["name"] not in listed
    assert "GH87654321IJ" not in listed
    shown = clerk.press("values", show="yes").text
    assert KIM["name"] in shown
    assert "GH87654321IJ" in shown
    assert KIM["name"] not in clerk.press("values", show="no").text


def test_nobodys_name_is_in_the_front_page_a_log_or_an_address(
    clerk: Clerk, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        arrive(home, [special(1)])
        clerk.press("values", show="yes")
        front = clerk.get().text
        clerk.get("sheets/S-000001")
        answer = clerk.press("sheets/S-000001", decision="refuse", checked="yes", reason="住民票と異なる")
    texts = [front, caplog.text, *(str(each.url) for each in (answer, *answer.history))]
    assert not any(KIM["name"] in text or "GH87654321IJ" in text for text in texts)


def test_a_long_list_has_pages_and_a_page_beyond_it_shows_the_last(
    clerk: Clerk, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("renkei.agent.page.app._ROWS", 3)
    arrive(home, [special(n, name=f"KIM {'ABCDE'[n - 1]}", certificate_number=f"GH{n:08d}IJ") for n in range(1, 6)])
    for asked, shown in (("1", {1, 2, 3}), ("2", {4, 5}), ("99", {4, 5}), ("x", {1, 2, 3}), ("0", {1, 2, 3})):
        text = clerk.get(f"pending?page={asked}").text
        assert {n for n in range(1, 6) if f"S-{n:06d}" in text} == shown


def test_the_verdict_follows_what_waits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert overview(home).verdict == "late"
    home.spool.note(exchanged_at=stamp())
    assert overview(home).verdict == "good"
    home.alarm("outbox", "x.csv", "x.csv: can't be read")
    assert overview(home).verdict == "person"
    assert overview(home).tasks == 1
    home.spool.acknowledge()
    arrive(home, [special(1)])
    found = overview(home)
    assert (found.verdict, found.unconfirmed, found.tasks) == ("person", 1, 1)
    monkeypatch.setattr(platform, "software_changed_at", lambda: None)
    assert overview(home).patches.at is None


def test_the_patch_age_is_unknown_where_the_machine_cant_tell(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "software_changed_at", lambda: None)
    assert "不明" in clerk.get().text


def test_the_language_is_the_sessions(clerk: Clerk, folder: Path) -> None:
    other = Clerk(folder)
    other.enter()
    assert '<html lang="en">' in clerk.press("language", language="en").text
    assert "Exchange now" in clerk.get().text
    assert "今すぐ連携" in other.get().text
    clerk.press("language", language="xx")
    assert '<html lang="en">' in clerk.get().text


def test_an_endpoint_by_medium_has_no_button(offline: Any, tmp_path: Path, activity: Activity) -> None:
    home: Home = offline.agent("131041", link="media", page=page_settings(tmp_path / "page"))
    assert home.settings.page is not None
    with page(home, activity):
        clerk = Clerk(home.settings.page.folder)
        clerk.enter()
        assert "今すぐ連携" not in clerk.get().text
        clerk.press("exchange")
        assert not home.settings.request_file.exists()


def test_every_kind_of_alarm_has_words_for_a_clerk() -> None:
    raised = set()
    for path in Path(page_package.__file__).parents[1].rglob("*.py"):
        tree = ast.parse(path.read_text())
        assigned = [(node.targets[0], node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)]
        pairs = [
            pair
            for target, value in assigned
            for pair in (
                zip(target.elts, value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
        ]
        constants = {
            target.id: value.value
            for target, value in pairs
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "alarm":
                kind = node.args[0]
                raised.add(kind.value if isinstance(kind, ast.Constant) else constants.get(getattr(kind, "id", "")))
    assert len(raised) > 20
    assert raised - {None} == set(words.ALARMS), "give each kind of alarm its words in renkei.agent.page.words"


def test_standings_have_the_names_of_the_list() -> None:
    assert {standing: pair[0] for standing, pair in words.STANDINGS.items()} == STANDINGS


# -- what its buttons do


def test_exchange_now_asks_the_service_and_follows_it_to_its_end(clerk: Clerk, home: Home, activity: Activity) -> None:
    assert "連携しています" in clerk.press("exchange").text
    assert home.settings.request_file.exists()
    assert clerk.get("progress").json() == {"busy": True, "exchanging": False}
    with activity.exchange():
        assert clerk.get("progress").json() == {"busy": True, "exchanging": True}
    assert clerk.get("progress").json() == {"busy": False, "exchanging": False}
    assert "連携が終わりました" in clerk.get().text
    assert "連携が終わりました" not in clerk.get().text


def test_one_that_was_going_on_already_isnt_the_one_asked_for(clerk: Clerk, activity: Activity) -> None:
    with activity.exchange():
        clerk.press("exchange")
    assert clerk.get("progress").json()["busy"]
    with pytest.raises(RuntimeError), activity.exchange():
        raise RuntimeError
    assert "連携できませんでした" in clerk.get().text


def test_a_confirmed_notice_goes_into_the_register(clerk: Clerk, home: Home, tmp_path: Path) -> None:
    arrive(home, [special(1)])
    register = Register(tmp_path / "share")
    assert register.take() == []
    sheet = clerk.get("sheets/S-000001").text
    assert KIM["name"] in sheet
    assert "この端末には、同じ人についての以前の通知がありません" in sheet
    answer = clerk.press("sheets/S-000001", decision="confirm", checked="yes")
    assert "取り込みます" in answer.text
    assert register.take() == ["S-000001"]
    assert "済んでいます" in clerk.press("sheets/S-000001", decision="confirm", checked="yes").text


def test_a_refusal_needs_a_reason_and_sends_it(clerk: Clerk, home: Home) -> None:
    arrive(home, [special(1)])
    answer = clerk.press("sheets/S-000001", decision="refuse", checked="yes", reason=" ")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert clerk.press("sheets/S-000001", decision="refuse", checked="yes", reason="x" * 300).status_code == 422
    assert (
        "理由を次の連携で法務省に送ります"
        in clerk.press("sheets/S-000001", decision="refuse", checked="yes", reason="住民票と異なる").text
    )
    found = home.spool.imports.find("S-000001")
    assert found is not None
    assert (found.standing, found.reason) == (Standing.REFUSED, "住民票と異なる")


@pytest.mark.parametrize(
    "fields", [{}, {"decision": "confirm"}, {"checked": "yes"}, {"decision": "x", "checked": "yes"}]
)
def test_nothing_is_decided_unless_the_clerk_chose_and_checked(
    clerk: Clerk, home: Home, fields: dict[str, str]
) -> None:
    arrive(home, [special(1)])
    assert clerk.press("sheets/S-000001", **fields).status_code == 422
    found = home.spool.imports.find("S-000001")
    assert found is not None
    assert found.standing is Standing.UNCONFIRMED


def test_while_an_exchange_goes_on_a_decision_waits_and_then_says_so(
    clerk: Clerk, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("renkei.agent.page.app._PATIENCE", 0.2)
    arrive(home, [special(1)])
    with alone(home, 1):
        answer = clerk.press("sheets/S-000001", decision="confirm", checked="yes")
    assert answer.status_code == 503
    assert "連携中です" in answer.text


# -- the command and the settings


def test_the_command_gives_the_browser_the_file_and_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    assert CliRunner().invoke(app, ["page", "open", "--folder", str(folder)]).exit_code == 0
    assert opened == [(folder / "renkei.html").as_uri()]


def test_the_command_says_why_it_cant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = CliRunner().invoke(app, ["page", "open", "--folder", str(tmp_path)])
    assert (absent.exit_code, "[page]" in absent.output) == (1, True)

    def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    foreign = CliRunner().invoke(app, ["page", "open", "--folder", str(tmp_path)])
    assert (foreign.exit_code, "group" in foreign.output) == (1, True)


def test_the_ministry_has_no_page_and_the_port_is_no_system_port(tmp_path: Path) -> None:
    text = (
        'endpoint = "{}"\nterminal = "T"\nmachine_serial = "S"\ngateway = "https://g:1"\nenrolment = "https://e:1"\n'
        "[page]\nport = {}\n"
    )
    path = tmp_path / "agent.toml"
    for endpoint, port in (("ministry", 8470), ("131041", 80)):
        path.write_text(text.format(endpoint, port))
        with pytest.raises(SettingsError, match="page"):
            load(path)
    path.write_text(text.format("131041", 8470))
    assert load(path).page is not None


def test_the_page_says_when_the_machine_will_be_updated_and_restarted(
    home: Home, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "次の更新と再起動" not in clerk.get().text
    opens, closes = (datetime(2026, 11, 28, hour, 30, tzinfo=JST) for hour in (17, 22))
    for planned, said in (
        (Planned(opens, closes, going_on=False, restarting=False), "17:30"),
        (Planned(opens, closes, going_on=True, restarting=False), "更新しています"),
        (Planned(opens, closes, going_on=False, restarting=True), "まもなく再起動します"),
    ):
        shown = replace(overview(home), planned=planned)
        monkeypatch.setattr(page_app.standing, "overview", lambda _home, shown=shown: shown)
        text = clerk.get().text
        assert "次の更新と再起動" in text
        assert said in text
        assert "電源を切らず、電源ケーブルをつないでおいてください。" in text


def test_the_page_says_what_to_do_about_antivirus_patterns(
    home: Home, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = silent, by_medium, by_line = (
        "ウイルス対策ソフトから報告がありません。動いているか、端末の管理者に",
        "次の媒体を取り込んでください。",
        "更新サーバーにつながるか、端末の管理者に",
    )
    assert "ウイルス定義" not in clerk.get().text  # it never looked
    at = whole_seconds(datetime.now(UTC))
    for age, link, said in (
        (None, "online", [silent]),
        (timedelta(days=12), "media", [by_medium]),
        (timedelta(days=3), "media", []),
        (timedelta(days=3), "online", [by_line]),
        (timedelta(hours=5), "online", []),
    ):
        word = PatchState(
            endpoint=home.party, terminal="T", answers=None, stage="checked", build="26100.4061", installed=[],
            missing=[], catalogue=None, exchanged_at=None, problem=None, checked_at=at,
            patterns=PatternState(version="1.441.312.0", made_at=at - age) if age else None,
        )  # fmt: skip
        home.spool.updates.say(Said(None, "checked", word.sign(Signer(make_key())), format_time(at)))
        with monkeypatch.context() as patch:
            patch.setitem(home.settings.__dict__, "link", Link(link))
            text = clerk.get().text
        assert "ウイルス定義" in text
        assert [each for each in told if each in text] == said
