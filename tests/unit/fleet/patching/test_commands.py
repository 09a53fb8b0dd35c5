"""`renkei patch take` and `status`: what they print, and by which exit code they alarm."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.cli import patch
from renkei.client.errors import HubUnreachable
from renkei.exchange.certificates import certificate_to_pem
from renkei.exchange.patterns import PatternState
from unit.fleet.patching.line_double import URL, Line

from .scenes import DAY, FIRST_KB, NOW, OLD, Ministry, said

LAB = Path(__file__).parents[4] / "inventory" / "lab"
SHINJUKU, SAPPORO, MEDIA = ("131041", "R2026-0001"), ("011011", "R2025-0001"), ("012271", "R2024-0001")


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(patch.app, list(words))
    assert result.exit_code == code, result.output
    return result


class Clock(datetime):
    """A clock that stands still, so that what was said lies in the past whenever the tests run."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Clock":
        assert tz is UTC
        return cls.fromtimestamp(NOW.timestamp(), tz)


class Desk:
    """A folder with the root, the catalogues, what came from terminals, and the store."""

    def __init__(self, folder: Path, ministry: Ministry) -> None:
        self.ministry, self.inbox = ministry, folder / "in"
        self.inbox.mkdir()
        root = folder / "root.pem"
        root.write_text(certificate_to_pem(ministry.root.certificate))
        self.common = ["--trust-anchor", str(root), "--states", str(folder / "states.db")]
        self.catalogues = [word for file in ministry.put_catalogues(folder) for word in ("--catalogue", str(file))]

    def take(self, code: int = 0) -> Any:
        return json.loads(run("take", str(self.inbox), *self.common, "--json", code=code).stdout)

    def status(self, *words: str, code: int = 0) -> Result:
        fleet = ["--fleet", str(LAB), "--at", NOW.isoformat()]
        return run("status", *self.common, *self.catalogues, *fleet, *words, code=code)

    def put_all(self, **sapporo: Any) -> None:
        for place, change in ((SHINJUKU, {}), (SAPPORO, sapporo), (MEDIA, {})):
            self.ministry.put(self.inbox, said(*place, NOW - DAY, **change))
        assert self.take()["new"] == 3


@pytest.fixture
def desk(tmp_path: Path, patching_ministry: Ministry, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(patch, "datetime", Clock)
    return Desk(tmp_path, patching_ministry)


@pytest.fixture(scope="module")
def patching_ministry() -> Ministry:
    return Ministry()


def test_a_patched_country_ends_with_0(desk: Desk) -> None:
    desk.put_all()
    assert "nobody of 3 is late or silent" in desk.status().stdout
    found = json.loads(desk.status("--json").stdout)
    assert found["counts"]["up_to_date"] == 3
    assert [each["lacking"] for each in found["updates"]] == [0, 0]
    assert len(found["machines"][0]["evidence_sha256"]) == 64


def test_who_is_late_is_named_with_what_to_do_and_ends_with_1(desk: Desk) -> None:
    old = {"build": OLD, "installed": [], "missing": [FIRST_KB], "stage": "blocked"}
    desk.put_all(**old, problem="something that no table knows")
    text = desk.status(code=1).stdout
    assert "011011 札幌市中央区 R2025-0001: late, it says: something that no table knows" in text
    assert "remove what the machine reports" in text
    assert max(map(len, text.splitlines())) <= 80
    desk.status("--endpoint", "131041", code=0)
    assert "KB5058411 KB5060842" in desk.status("--endpoint", "011011", code=1).stdout


def test_silence_ends_with_3_and_media_may_be_silent_longer(desk: Desk) -> None:
    desk.put_all()
    later = ["--at", (NOW + 5 * DAY).isoformat()]
    found = json.loads(desk.status(*later, "--json", code=3).stdout)
    assert [(each["link"], each["standing"]) for each in found["machines"]] == [
        ("on_demand", "unknown"),
        ("media", "up_to_date"),
        ("online", "unknown"),
    ]
    assert found["machines"][0]["why"] == "silent for 6 days"
    desk.status(*later, "--unknown-days", "7")


def test_take_names_what_it_refuses_and_ends_with_1(desk: Desk) -> None:
    desk.ministry.put(desk.inbox, said(*SHINJUKU, NOW))
    (desk.inbox / "broken.json").write_text("{")
    found = desk.take(code=1)
    assert found["new"] == 1
    assert [Path(each["file"]).name for each in found["refused"]] == ["broken.json"]


def test_take_reads_the_hub_as_the_authority_and_goes_on_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    line, asked = Line(desk.ministry), []

    @contextmanager
    def client(*words: Any) -> Iterator[Line]:
        asked.append(words)
        yield line

    monkeypatch.setattr(patch, "hub_as_authority", client)
    line.hear(1)
    desk.ministry.put(desk.inbox, said(*SAPPORO, NOW - DAY))
    hub = ["--hub", URL, "--chain", "chain.pem", "--key", "authority.key"]
    assert "2 new, 0 known" in run("take", str(desk.inbox), *hub, *desk.common).stdout
    line.hear(0)
    assert "1 new, 0 known" in run("take", *hub, *desk.common).stdout
    assert "0 new, 2 known" in run("take", *hub, "--again", *desk.common).stdout
    assert asked[0][0] == URL

    def cut() -> None:
        raise HubUnreachable("no answer")

    line.when_asked = cut
    assert "no answer" in run("take", *hub, *desk.common, code=3).output
    assert "give a FOLDER, or --hub with" in run("take", "--hub", URL, *desk.common, code=2).output
    assert "give a FOLDER, or --hub with" in run("take", *desk.common, code=2).output


def test_a_hub_of_the_environment_contradicts_no_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENKEI_HUB", URL)
    desk.ministry.put(desk.inbox, said(*SAPPORO, NOW - DAY))
    assert desk.take()["new"] == 1
    for words in (["--hub", URL], ["--chain", "chain.pem"]):
        refused = run("take", str(desk.inbox), *words, *desk.common, code=2)
        assert "give a FOLDER, or --hub with --chain and --key" in refused.output
    assert "give a FOLDER, or --hub with" in run("take", *desk.common, code=2).output


@pytest.mark.thorough
def test_old_patterns_are_an_alarm_by_the_deadline_of_each_kind_of_link(desk: Desk, tmp_path: Path) -> None:
    made = {"patterns": PatternState(version="1.441.312.0", made_at=NOW - 5 * DAY)}
    for place in (SHINJUKU, MEDIA):
        desk.ministry.put(desk.inbox, said(*place, NOW - DAY, **made))
    desk.ministry.put(desk.inbox, said(*SAPPORO, NOW - DAY))
    assert desk.take()["new"] == 3
    found = json.loads(desk.status("--json", code=1).stdout)
    assert [(each["patterns_old"], each["alarm"]) for each in found["machines"]].count((True, True)) == 1
    [old] = [each for each in found["machines"] if each["patterns_old"]]
    assert (old["endpoint"], old["standing"], old["patterns"]) == ("131041", "late", "1.441.312.0")
    assert old["why"] == "its antivirus patterns were 4 days old, 24 hours are allowed"
    assert found["patterns_old"] == 1
    text = desk.status(code=1).stdout
    assert "antivirus patterns too old: 1" in text
    assert "see why it doesn't reach the update service" in text
    assert "patterns  1.441.312.0 (2026-11-21 12:00)" in desk.status("--endpoint", "131041", code=1).stdout
    deadlines = (LAB.parent / "updates.yml").read_text().replace("patterns_line_hours: 24", "patterns_line_hours: 120")
    (tmp_path / "updates.yml").write_text(deadlines)
    desk.status("--updates", str(tmp_path / "updates.yml"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "yesterday"], "is no moment"),
        (["--at", "2026-11-26T12:00"], "has no time zone"),
        (["--at", "2020-01-01T00:00Z"], "no catalogue was issued by"),
        (["--endpoint", "999999"], "has no endpoint"),
        (["--catalogue", "none.json"], "none.json: No such file"),
        (["--states", "none.db"], "`renkei patch take` makes it"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(desk: Desk, words: list[str], message: str) -> None:
    assert message in desk.status(*words, code=2).output


def test_another_s_catalogue_is_not_believed(desk: Desk, tmp_path: Path) -> None:
    desk.put_all()
    folder = tmp_path / "foreign"
    folder.mkdir()
    (file, *_) = Ministry().put_catalogues(folder)
    assert "can't be believed" in desk.status("--catalogue", str(file), code=2).output
