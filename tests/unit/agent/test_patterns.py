"""Antivirus patterns by medium: signed at the ministry, carried, believed twice, installed, and told of."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.agent import media
from renkei.agent.media import MediaError
from renkei.agent.updates import documents, installing, patching, patterns, patterns_installing, tools
from renkei.agent.updates.course import Step
from renkei.agent.updates.patterns_installing import install_waiting
from renkei.agent.updates.places import PatternsAnswer, Places, read, write
from renkei.exchange.certificates import make_key
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.patterns import PATTERNS_FILE, Patterns, PatternState, rank
from renkei.exchange.signed import Signed
from renkei.exchange.updates import PatchState
from unit.agent.media_office import ENDPOINT, Office, make_office
from unit.agent.update_host import HOUR, MINUTE, Host, order
from unit.agent.update_programs import TOOLS, Programs

CONTENT = b"MZ" + bytes(range(256)) * 40
OLD, NEW, NEWER = "1.441.10.0", "1.441.312.0", "1.443.1.0"


class Desk:
    """An office whose ministry has patterns for its media, and the endpoint's machine."""

    def __init__(self, office: Office, programs: Programs) -> None:
        self.office, self.programs = office, programs
        self.host = Host(now=whole_seconds(patching.now()), patterns=self.state(OLD))

    @staticmethod
    def state(version: str) -> PatternState:
        return PatternState(version=version, made_at=whole_seconds(patching.now()) - 30 * HOUR)

    def word(self, version: str = NEW, **changes: Any) -> Patterns:
        now = whole_seconds(patching.now())
        values = {
            "version": version, "file": f"mpam-fe-{version}.exe", "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "size": len(CONTENT), "made_at": now - HOUR, "issued_at": now,
        }  # fmt: skip
        return Patterns.model_validate({**values, **changes})

    def told(self) -> list[str | None]:
        """The patterns that each word to the ministry names, None where it says nothing of them."""
        said = self.office.endpoint.spool.updates.since("")
        states = [PatchState.read(peek(each.envelope).payload).patterns for each in said]
        return [state.version if state else None for state in states]

    def lay(self, folder: Path, word: Patterns, signer: Signer | None = None, content: bytes = CONTENT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / word.file).write_bytes(content)
        signed = Signed(self.office.entry, word.sign(signer or self.office.signer))
        (folder / PATTERNS_FILE).write_bytes(signed.to_json())

    @property
    def at_ministry(self) -> Path:
        return Places(self.office.ministry.settings.home).patterns

    @property
    def places(self) -> Places:
        return Places(self.office.endpoint.settings.home)

    def alarms(self) -> list[str]:
        return [each.text for each in self.office.endpoint.spool.alarms()]

    def tend(self) -> None:
        patching.tend(self.office.endpoint, self.host)

    def pass_time(self, passed: timedelta) -> None:
        self.host.now += passed

    def install(self) -> PatternsAnswer | None:
        return install_waiting(self.office.endpoint.settings, TOOLS)


@pytest.fixture
def desk(offline: Any, pki: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    programs = Programs({})
    monkeypatch.setattr(tools.subprocess, "run", programs.run)
    found = Desk(make_office(offline, tmp_path, trust_anchor=pki.anchor_file), programs)
    for module in (documents, patching, installing, patterns, patterns_installing):
        monkeypatch.setattr(module, "now", lambda: found.host.now)
    return found


@pytest.mark.thorough
def test_patterns_go_by_medium_are_installed_and_the_answer_comes_back(desk: Desk) -> None:
    desk.lay(desk.at_ministry, desk.word())
    written = media.export(desk.office.ministry, desk.office.medium, Party(ENDPOINT))
    assert written.patterns == NEW
    assert media.import_all(desk.office.endpoint, desk.office.medium).patterns == 1
    desk.tend()
    assert desk.host.patterns_asked == [desk.host.now]
    answer = desk.install()
    assert answer is not None
    assert (answer.problem, desk.programs.patterns) == ("", NEW)
    desk.pass_time(2 * MINUTE)
    write(desk.places.patterns_answer, answer.model_copy(update={"at": desk.host.now - MINUTE}))
    desk.host.patterns = desk.state(NEW)
    desk.tend()
    assert list(desk.places.patterns.iterdir()) == []  # the machine has them: they go
    assert not list((desk.places.installer / "patterns").iterdir())
    desk.office.come_back()
    told = [each.patterns.version for each in desk.office.states() if each.patterns is not None]
    assert told == [NEW]
    again = desk.office.go()  # the medium still has them
    assert (again.patterns, desk.alarms()) == (0, [])


def test_a_medium_has_one_package_and_gets_a_newer_one_whole(desk: Desk) -> None:
    folder = desk.office.medium / "patterns"
    for version in (NEW, NEWER):
        desk.lay(desk.at_ministry, desk.word(version))
        media.export(desk.office.ministry, desk.office.medium, Party(ENDPOINT))
        media.export(desk.office.ministry, desk.office.medium, Party(ENDPOINT))
        assert {path.name for path in folder.iterdir()} == {f"mpam-fe-{version}.exe", PATTERNS_FILE}
    (desk.at_ministry / f"mpam-fe-{NEWER}.exe").write_bytes(b"x" * len(CONTENT))
    (folder / PATTERNS_FILE).unlink()
    with pytest.raises(MediaError, match=r"isn't the package of patterns 1\.443\.1\.0"):
        media.export(desk.office.ministry, desk.office.medium, Party(ENDPOINT))


@pytest.mark.parametrize("planted", ["folder", ".patterns.json", "patterns.json", "old.exe"])
def test_a_link_on_a_medium_leads_no_export_to_write_or_delete_elsewhere(
    desk: Desk, tmp_path: Path, planted: str
) -> None:
    desk.lay(desk.at_ministry, desk.word())
    outside, folder = tmp_path / "outside", desk.office.medium / "patterns"
    outside.mkdir()
    (outside / "victim.txt").write_text("of somebody else")
    if planted == "folder":
        folder.symlink_to(outside)
    else:
        folder.mkdir()
        (folder / planted).symlink_to(outside / "victim.txt")
    with pytest.raises(MediaError, match=r"patterns.*: is a link, or neither file nor folder: nothing is written"):
        media.export(desk.office.ministry, desk.office.medium, Party(ENDPOINT))
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"victim.txt": "of somebody else"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"signer": Signer(make_key())}, "patterns on the medium"),
        ({"content": b"x" * len(CONTENT)}, "isn't the package of patterns"),
        ({"content": b"x"}, "has 1 bytes"),
    ],
    ids=["forged", "changed", "cut"],
)
def test_what_the_authority_didnt_sign_doesnt_come_in(desk: Desk, spoil: dict[str, Any], message: str) -> None:
    desk.lay(desk.office.medium / "patterns", desk.word(), **spoil)
    assert media.import_all(desk.office.endpoint, desk.office.medium).patterns == 0
    assert message in desk.alarms()[0]
    assert patterns.waiting(desk.office.endpoint, desk.host.now) is None
    desk.lay(desk.office.medium / "patterns", desk.word())
    assert media.import_all(desk.office.endpoint, desk.office.medium).patterns == 1
    assert desk.alarms() == []


def test_an_older_word_is_a_replay_and_a_corrected_one_counts(desk: Desk) -> None:
    """The moment of signing counts: a mistyped version is set right, an old medium brings nothing."""
    medium, now = desk.office.medium / "patterns", desk.host.now
    for version, issued_at, expected in ((NEWER, now - HOUR, 1), (NEW, now - 2 * HOUR, 0), (NEW, now, 1)):
        desk.lay(medium, desk.word(version, issued_at=issued_at, made_at=issued_at))
        assert media.import_all(desk.office.endpoint, desk.office.medium).patterns == expected
    desk.lay(medium, desk.word(NEWER, issued_at=now + HOUR))
    with pytest.raises(ExchangeError, match="check this machine's clock"):
        patterns.take(desk.office.endpoint, (medium / PATTERNS_FILE).read_bytes(), medium)


def test_the_privileged_part_believes_nothing_that_the_agent_can_write(desk: Desk) -> None:
    assert desk.install() is None
    desk.lay(desk.places.patterns, desk.word(), Signer(make_key()))
    with pytest.raises(DocumentError):
        desk.install()
    desk.lay(desk.places.patterns, desk.word(), content=b"x" * len(CONTENT))
    answer = desk.install()
    assert answer is not None
    assert "isn't the package" in answer.problem
    assert desk.programs.calls == []


def test_older_patterns_than_the_machines_are_never_installed(desk: Desk) -> None:
    desk.programs.patterns = NEWER
    desk.lay(desk.places.patterns, desk.word(NEW))
    assert desk.install() is None
    assert desk.programs.calls == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [("unsigned", "isn't signed by Microsoft"), ("patterns stay", f"the antivirus still shows {OLD}")],
)
def test_what_goes_wrong_is_alarmed_and_tried_again_after_an_hour(desk: Desk, fault: str, message: str) -> None:
    desk.programs.faults = {fault}
    desk.lay(desk.places.patterns, desk.word())
    desk.tend()
    answer = desk.install()
    assert answer is not None
    assert message in answer.problem
    assert desk.install() is None  # not at once
    desk.pass_time(30 * MINUTE)
    desk.tend()
    assert message in desk.alarms()[0]
    desk.pass_time(31 * MINUTE)
    desk.programs.faults = set()
    desk.tend()
    assert len(desk.host.patterns_asked) == 2
    assert read(desk.places.patterns_answer, PatternsAnswer) == answer
    again = desk.install()
    assert again is not None
    assert again.problem == ""
    desk.host.patterns = desk.state(NEW)
    desk.tend()
    assert desk.alarms() == []


def test_a_word_of_old_patterns_is_made_good_once_newer_ones_are_here(desk: Desk) -> None:
    """A machine that was off for a weekend says first what it had on Friday."""

    desk.tend()
    assert desk.told() == [OLD]
    desk.pass_time(61 * MINUTE)
    desk.tend()
    assert desk.told() == [OLD]
    desk.host.patterns = desk.state(NEW)
    desk.pass_time(10 * MINUTE)
    desk.tend()
    assert desk.told() == [OLD]  # it is asked once an hour
    desk.pass_time(51 * MINUTE)
    desk.tend()
    assert desk.told() == [NEW]  # in the place of the one that nobody has got


def test_a_word_without_patterns_is_made_good_once_the_antivirus_answers(desk: Desk) -> None:
    desk.host.patterns = None
    desk.tend()
    desk.pass_time(61 * MINUTE)
    desk.tend()
    assert desk.told() == [None]
    desk.host.patterns = desk.state(NEW)
    desk.pass_time(61 * MINUTE)
    desk.tend()
    assert desk.told() == [NEW]


def test_an_order_that_is_worked_on_goes_first(desk: Desk) -> None:
    desk.lay(desk.places.patterns, desk.word())
    begin = desk.host.now
    documents.take(desk.office.endpoint, order(1, begin, permit=False).sign(desk.office.signer), desk.office.entry)
    kept = patterns.orders.counting(desk.office.endpoint)
    assert kept is not None
    working = patterns.orders.course_of(kept).model_copy(update={"step": Step.INSTALLING})
    desk.office.endpoint.spool.updates.advance(kept.id, working.model_dump_json(), [])
    patterns.tend(desk.office.endpoint, desk.host, desk.host.now)
    assert desk.host.patterns_asked == []


def test_a_state_without_patterns_is_the_document_of_earlier_releases() -> None:
    words: dict[str, Any] = {
        "endpoint": "131041", "terminal": "T", "answers": None, "stage": "checked", "build": "26100.1", "installed": [],
        "missing": [], "catalogue": None, "exchanged_at": None, "problem": None, "checked_at": "2026-11-26T00:00:00Z",
    }  # fmt: skip
    assert PatchState.read(words).to_json() == words
    told = {**words, "patterns": {"version": NEW, "made_at": "2026-11-25T21:00:00Z"}}
    assert PatchState.read(told).to_json() == told
    with pytest.raises(DocumentError):
        PatchState.read({**words, "patterns": {"version": "new", "made_at": "2026-11-25T21:00:00Z"}})


@given(st.lists(st.tuples(*[st.integers(0, 99999)] * 3).map(lambda rest: (1, *rest)), min_size=2, max_size=2))
def test_versions_are_ordered_by_their_numbers(found: list[tuple[int, ...]]) -> None:
    first, second = (rank(".".join(map(str, each))) for each in found)
    assert (first < second) == (found[0] < found[1])
