"""The simulated resident register at its end of the bridge: whole files, one answer a notice, whatever is killed."""

import hashlib
import json
from collections import Counter
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renkei.cli.ministry import app
from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import TYPES, ImportResult, Notice, StatusNotice
from renkei.ministry import registers
from renkei.ministry.importing import account_of
from renkei.ministry.lives import notices_of_lives
from renkei.ministry.registers import BrokenHandOverError, hand_over, register_all

from .lives import PLACE, SHINJUKU

TODAY = date(2026, 11, 26)


@pytest.fixture(scope="module")
def said() -> list[StatusNotice]:
    """What the ministry said to one municipality of many lives."""
    lives = notices_of_lives(PLACE, 600, 1, TODAY)
    return [each for life in lives for each in life if isinstance(each, StatusNotice) and each.municipality == SHINJUKU]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("to-register", "from-register", "state"):
        (tmp_path / name).mkdir()
    return tmp_path


def give(folder: Path, number: int, notices: list[Notice]) -> Path:
    """Hand over as the agent does: the file, then its marker."""
    path = folder / "to-register" / f"{number:010d}.csv"
    path.write_bytes(write(notices, Layout()))
    marker = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_name(f"{path.name}.ready").write_text(json.dumps(marker))
    return path


def answers(folder: Path) -> list[Notice]:
    """What lies in the folder for the terminal; every file has the marker that it says."""
    found: list[Notice] = []
    for path in sorted((folder / "from-register").glob("[!.]*.csv")):
        marker = json.loads(path.with_name(f"{path.name}.ready").read_text())
        assert marker == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        found += read(BytesIO(path.read_bytes()), TYPES).notices
    return found


def test_every_notice_gets_one_answer_and_some_are_refused_with_item_and_reason(
    said: list[StatusNotice], folder: Path
) -> None:
    half = len(said) // 2
    give(folder, 1, list(said[:half]))
    give(folder, 2, list(said[half:]))
    outcome = register_all(folder, folder / "state", TODAY)
    given = [each for each in answers(folder) if isinstance(each, ImportResult)]
    assert [each.target for each in given] == [each.number for each in said]
    assert len({each.number for each in given}) == len(given)
    assert Counter(each.result for each in given) == outcome.results
    assert outcome.results["取込済"] > outcome.results["エラー"] > 0
    assert all(each.error_item and each.reason for each in given if each.result == "エラー")
    assert list((folder / "to-register").iterdir()) == []
    assert len(list((folder / "state/imported").iterdir())) == 2


def test_what_is_not_complete_is_left_alone(said: list[StatusNotice], folder: Path) -> None:
    path = give(folder, 1, list(said[:1]))
    path.with_name(f"{path.name}.ready").rename(path.with_name(f".{path.name}.ready"))
    assert register_all(folder, folder / "state", TODAY).notices == {}
    assert answers(folder) == []
    assert path.exists()


@pytest.mark.parametrize("marker", [b'{"sha256": "00"}', b"[]", b"", b"{"])
def test_a_file_that_is_not_what_its_marker_says_is_named_and_not_imported(
    said: list[StatusNotice], folder: Path, marker: bytes
) -> None:
    path = give(folder, 1, list(said[:1]))
    path.with_name(f"{path.name}.ready").write_bytes(marker)
    with pytest.raises(BrokenHandOverError, match=r"0000000001\.csv"):
        register_all(folder, folder / "state", TODAY)
    assert answers(folder) == []


def test_results_of_the_ministry_are_imported_and_not_answered(folder: Path) -> None:
    result = ImportResult(number="I-1", municipality=SHINJUKU, target="L-1", result="取込済", processed_on=TODAY)
    give(folder, 1, [result])
    outcome = register_all(folder, folder / "state", TODAY)
    assert (outcome.notices, outcome.results) == ({"取込結果": 1}, {})
    assert answers(folder) == []


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(1, 6))
def test_a_kill_at_any_step_changes_no_answer(
    said: list[StatusNotice], folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    give(folder, 1, list(said[:20]))
    steps, real_replace, real_unlink = iter(range(1, 100)), registers.replace, Path.unlink

    def replace(path: Path, content: bytes, mode: int) -> None:
        real_replace(path, content, mode)
        if next(steps) == step:
            raise Killed

    def unlink(path: Path, **options: bool) -> None:
        real_unlink(path, **options)
        if not path.name.startswith(".") and next(steps) == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(registers, "replace", replace)
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(Killed):
            register_all(folder, folder / "state", TODAY)
    before = answers(folder) if step > 1 else []  # before that the file is there and its marker isn't
    register_all(folder, folder / "state", TODAY)
    assert Counter(each.target for each in answers(folder) if isinstance(each, ImportResult)) == Counter(
        each.number for each in said[:20]
    )
    assert before in ([], answers(folder))
    assert list((folder / "to-register").iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["simulate-register-import", "--folder", str(tmp_path / "away"), "--state", str(tmp_path)]
    )
    assert done.exit_code != 0


def test_the_command_counts_and_the_ministry_hears_what_is_still_open(said: list[StatusNotice], folder: Path) -> None:
    give(folder, 1, list(said[1:]))
    command = ["simulate-register-import", "--folder", str(folder), "--state", str(folder / "state"), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["notices"] == {"法務省通知": len(said) - 1}
    immigration = folder / "immigration"
    for name in ("sent", "imported"):
        (immigration / name).mkdir(parents=True)
    (immigration / "sent/1.csv").write_bytes(write(said, Layout()))
    (immigration / "imported/1.csv").write_bytes(write(answers(folder), Layout()))
    account = account_of(immigration, "-1-")
    assert account.unanswered == {SHINJUKU: [said[0].number]}
    assert account.answered == {SHINJUKU: Counter(json.loads(done.stdout)["results"])}
    assert account_of(immigration, "-2-").answered == {}


def test_notices_of_a_register_come_with_their_markers(folder: Path) -> None:
    out = folder / "from-register"
    places = ",".join(f"{code}={place}" for code, place in PLACE.items())
    made = CliRunner().invoke(
        app,
        ["simulate-lives", f"--out={out}", f"--of={SHINJUKU}", f"--places={places}", "--people=20", "--json"],
    )
    assert made.exit_code == 0, made.output
    assert len(answers(folder)) == json.loads(made.stdout)["notices"] > 0


def test_a_file_for_the_terminal_is_whole_before_its_marker_is_there(folder: Path) -> None:
    path = hand_over(folder / "from-register", "a.csv", b"x")
    assert {each.name for each in path.parent.iterdir()} == {"a.csv", "a.csv.ready"}
