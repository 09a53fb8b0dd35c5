"""`renkei-agent check`: which is newer, the register or the card, and up to which moment that is known."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from typer.testing import CliRunner, Result

from renkei.agent.home import Home
from renkei.agent.register import bridge, confirmation
from renkei.agent.register.share import prepare
from renkei.cli.agent import app
from renkei.domain.layouts import Layout, write
from renkei.domain.notices import StatusNotice
from unit.agent.register_scenes import Register, numbers, outcome, special, status

CARD, OTHER = "AB12345678CD", "ZZ00000000ZZ"
CURRENT, AS_OF, CONTRADICTION, WAITING = 0, 3, 4, 5


class Counter:
    """Shinjuku's counter, its register, and the ministry behind the hub."""

    def __init__(self, fleet: Any, folder: Path) -> None:
        folder.mkdir()
        self.fleet, self.register = fleet, Register(folder)
        self.ministry: Home = fleet.agent("ministry", publish={"seconds": 1})
        self.home: Home = fleet.agent("131041", bridge={"kind": "folder", "folder": folder})
        prepare(self.home)
        self.config = fleet.write_config(self.home)
        fleet.exchange(self.home)
        self.publish()

    def publish(self, *notices: StatusNotice, name: str = "a.csv") -> None:
        """The immigration system hands over notices, and the ministry's agent exchanges."""
        folder = self.ministry.settings.outbox / "131041"
        folder.mkdir(exist_ok=True)
        if notices:
            (folder / name).write_bytes(write(notices, Layout()))
        self.ministry.spool.note(horizons_at="2026-01-01T00:00:00Z")
        self.fleet.exchange(self.ministry)

    def imports(self, *of: int) -> None:
        """The register takes what is there and says of these that they are imported."""
        self.register.take()
        for number in numbers(*of):
            outcome(self.home, number)

    def run(self, *words: str, card: str = CARD) -> Result:
        return CliRunner().invoke(app, ["check", *words, "--config", str(self.config)], input=card)

    def check(self, card: str = CARD, *words: str) -> tuple[int, dict[str, Any]]:
        result = self.run("--json", *words, card=card)
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def counter(fleet: Any, tmp_path: Path) -> Counter:
    return Counter(fleet, tmp_path / "share")


def test_a_card_that_nothing_is_known_of_is_current_up_to_the_ministrys_moment(counter: Counter) -> None:
    code, found = counter.check()
    assert (code, found["verdict"], found["notices"]) == (CURRENT, "current", [])
    moment = dt.datetime.fromisoformat(found["published_up_to"])
    assert dt.timedelta(0) <= dt.datetime.now(dt.UTC) - moment < dt.timedelta(minutes=1)


@pytest.mark.quick
def test_a_change_published_a_moment_ago_is_fetched_and_waits_until_the_register_has_it(counter: Counter) -> None:
    counter.publish(status(1))
    code, found = counter.check()
    assert (code, found["verdict"]) == (WAITING, "waiting")
    assert [(each["number"], each["standing"]) for each in found["notices"]] == [("S-000001", "handed")]
    assert counter.check(OTHER)[0] == CURRENT
    counter.imports(1)
    code, found = counter.check()
    assert (code, [each["standing_ja"] for each in found["notices"]]) == (CURRENT, ["取込済"])


def test_an_error_in_the_register_leaves_the_card_newer(counter: Counter) -> None:
    counter.publish(status(1))
    counter.check()
    outcome(counter.home, *numbers(1), "エラー")
    assert counter.check()[0] == WAITING


def test_the_old_card_leads_to_the_notice_about_the_new_one(counter: Counter) -> None:
    counter.publish(status(1))
    counter.check()
    counter.imports(1)
    counter.publish(status(2, card_number="NN00000001NN", changed_items="在留カード番号"), name="b.csv")
    for card in (CARD, "NN00000001NN"):
        code, found = counter.check(card)
        assert code == WAITING
        assert [each["number"] for each in found["notices"]] == numbers(1, 2)


def test_a_refused_notice_does_not_hold_the_counter_for_ever(counter: Counter) -> None:
    counter.publish(special(1))
    assert counter.check("GH87654321IJ")[0] == WAITING
    confirmation.refuse(counter.home, *numbers(1), "別人です。")
    assert counter.check("GH87654321IJ")[0] == CURRENT


def test_without_the_hub_the_answer_names_the_moment_up_to_which_it_holds(counter: Counter) -> None:
    before = counter.check()[1]["published_up_to"]
    counter.fleet.stop_hub()
    code, found = counter.check()
    assert (code, found["verdict"], found["reached"]) == (AS_OF, "as_of", False)
    assert found["published_up_to"] == before
    shown = counter.run()
    assert "現在の状況は確認できません" in shown.stdout
    assert "Check the line" in shown.stderr


def test_a_waiting_notice_is_told_even_without_the_hub(counter: Counter) -> None:
    counter.publish(status(1))
    counter.check()
    counter.fleet.stop_hub()
    assert counter.check()[0] == WAITING


def test_a_ministry_that_published_long_ago_is_as_of_then(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    monkeypatch.setattr("renkei.agent.register.checking.now", lambda: later)
    assert counter.check()[0] == AS_OF
    assert counter.check(CARD, "--max-age", "7200")[0] == CURRENT


def test_a_hub_that_withholds_is_named_and_alarmed(counter: Counter) -> None:
    counter.publish(status(1))
    counter.fleet.stop_hub()
    connection = apsw.Connection(str(counter.fleet.hub_settings.database))
    connection.execute("UPDATE inbox SET party = 'ministry', cursor = 1000 WHERE kind = 'manifest'")
    connection.close()
    counter.fleet.start_hub()
    code, found = counter.check(OTHER)
    assert (code, found["verdict"], found["missing"]) == (CONTRADICTION, "contradiction", [1])
    assert "連携先(ハブ)の異常" in counter.run(card=OTHER).stdout
    assert [alarm.kind for alarm in counter.home.spool.alarms()] == ["withheld"]


def test_a_hub_whose_journal_was_rewritten_is_no_hub(counter: Counter) -> None:
    seen = counter.home.spool.tree_head(1)
    assert seen is not None
    counter.home.spool._database.write(lambda c: c.execute("UPDATE tree_heads SET root = ?", ("0" * 64,)))
    code, found = counter.check(OTHER)
    assert (code, found["reached"]) == (CONTRADICTION, False)


def test_a_parcel_that_cannot_be_opened_yet_may_concern_anybody(counter: Counter) -> None:
    counter.publish(status(1))
    counter.check()
    counter.imports(1)
    counter.home.spool._database.write(
        lambda c: c.execute(
            "INSERT INTO incoming SELECT sender, 'x', stream, 2, 1, manifest, entry, content_sha256, size,"
            " announced_at, 'quarantined', NULL, NULL, NULL, NULL FROM incoming"
        )
    )
    code, found = counter.check(OTHER)
    assert (code, found["unopened"]) == (WAITING, 1)
    assert "未着又は未開封の通知が1通" in counter.run(card=OTHER).stdout


@pytest.mark.quick
def test_a_media_link_never_calls_out(counter: Counter) -> None:
    counter.config.write_text(counter.config.read_text().replace('link = "online"', 'link = "media"'))
    requests = len(counter.fleet.front.requests)
    code, found = counter.check()
    assert (code, found["reached"]) == (AS_OF, False)
    assert len(counter.fleet.front.requests) == requests


@pytest.mark.parametrize("typed", ["ＡＢ１２３４５６７８ＣＤ", "ab 1234 5678 cd\n"])
def test_a_number_may_be_typed_as_people_type(counter: Counter, typed: str) -> None:
    counter.publish(status(1))
    assert counter.check(typed)[0] == WAITING


@pytest.mark.parametrize("typed", ["", "AB1234567", "AB12345678CD" * 20])
def test_what_is_no_card_number_is_usage_and_never_repeated(counter: Counter, typed: str) -> None:
    result = counter.run(card=typed)
    assert result.exit_code == 2
    assert typed == "" or typed not in result.stderr


@pytest.mark.quick
def test_a_number_as_an_argument_is_turned_away_and_not_repeated(counter: Counter) -> None:
    result = CliRunner().invoke(app, ["check", CARD, "--config", str(counter.config)])
    assert result.exit_code == 2
    assert "process list" in result.stderr
    assert CARD not in result.stderr + result.stdout


@pytest.mark.thorough
def test_the_process_list_never_shows_the_number(counter: Counter) -> None:
    program = "from renkei.cli.agent import main; main()"
    words = [sys.executable, "-c", program, "check", "-", "--config", str(counter.config)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdin is not None
        process.stdin.write(CARD.encode())
        process.stdin.flush()
        while b"check" not in (shown := Path(f"/proc/{process.pid}/cmdline").read_bytes()):
            time.sleep(0.01)  # until the program is there in its child
        shown += Path(f"/proc/{process.pid}/environ").read_bytes()
        process.stdin.close()
        assert process.wait(60) in {CURRENT, AS_OF}
    assert CARD.encode() not in shown


def test_the_spools_tables_hold_no_person_once_the_register_has_the_notice(counter: Counter) -> None:
    def somebody() -> bool:
        rows = counter.home.spool._database.read(lambda c: c.execute("SELECT row FROM imports").fetchall())
        batches = counter.home.spool._database.read(lambda c: c.execute("SELECT content FROM batches").fetchall())
        return any(word in str([*rows, *batches]) for word in (CARD, "WANG"))

    counter.publish(status(1))
    counter.check()
    assert somebody()
    counter.imports(1)
    bridge.tend(counter.home)
    assert not somebody()
    assert counter.check()[1]["notices"]
