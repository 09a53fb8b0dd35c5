"""`renkei terminal media`: what it builds, checks, lays out and refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from images import (
    VERSION,
    authority_of,
    make_package,
    read_image,
)
from renkei.cli.terminal import app
from renkei.fleet.model import Fleet
from renkei.fleet.terminal.media.building import signature_of
from unit.agent.conftest import Pki, pki

__all__ = ["pki"]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def command(tmp_path: Path, pki: Pki, lab: Fleet) -> Iterator[Any]:
    """`renkei terminal media` with a package, an anchor and an authority of this test."""
    package = make_package(tmp_path)
    with authority_of(pki, tmp_path, list(lab.terminals)) as authority:

        def run(*arguments: str) -> Any:
            more = ["--package", str(package), "--trust-anchor", str(pki.anchor_file)]
            return CliRunner().invoke(app, ["media", *more, "--signer", " ".join(authority.signer), *arguments])

        yield run


@pytest.mark.thorough
def test_the_command_builds_a_ring_and_says_what_it_did(command: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dry = command("--all", "--ring", "canary", "--ring", "early", "--out", str(out), "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["planned"], out.exists()) == (0, 2, False)
    done = command("--all", "--ring", "canary", "--out", str(out), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["built"], answer["release"]) == (0, 1, VERSION)
    assert sorted(path.name for path in out.iterdir()) == ["131041.iso", "131041.iso.sig"]
    again = command("--all", "--prefecture", "13", "--out", str(out))
    assert (again.exit_code, "1 unchanged" in again.stdout) == (0, True)
    everything = command("--all", "--out", str(out))
    assert (everything.exit_code, "2 built, 1 unchanged" in everything.stdout) == (0, True)
    assert max(map(len, everything.stdout.splitlines())) <= 80


@pytest.mark.thorough
def test_the_command_takes_a_code_a_host_or_an_asset_number(command: Any, tmp_path: Path) -> None:
    for name in ("012271", "m012271-terminal", "R2024-0001"):
        done = command(name, "--out", str(tmp_path / f"{name}.iso"))
        assert (done.exit_code, "built" in done.stdout) == (0, True), done.output
    images = {(tmp_path / f"{name}.iso").read_bytes() for name in ("012271", "m012271-terminal", "R2024-0001")}
    assert len(images) == 1
    retired = command("R2021-0001", "--out", str(tmp_path / "r.iso"))
    assert (retired.exit_code, "retired" in retired.stdout) == (1, True)


@pytest.mark.thorough
def test_an_image_is_checked_and_laid_out_on_an_empty_medium(command: Any, tmp_path: Path, pki: Pki) -> None:
    image, stick = tmp_path / "a.iso", tmp_path / "stick"
    stick.mkdir()
    assert command("131041", "--out", str(image)).exit_code == 0

    def write(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["write-medium", str(image), *arguments, "--trust-anchor", str(pki.anchor_file)])

    assert write().stdout.endswith("the image is the one that was signed\n")
    (stick / "System Volume Information").mkdir()
    done = write(str(stick), "--json")
    assert (done.exit_code, json.loads(done.stdout)["files"]) == (0, 10)
    written = {path.relative_to(stick).as_posix(): path.read_bytes() for path in stick.rglob("*") if path.is_file()}
    assert written == {**read_image(image), "renkei.sig": signature_of(image).read_bytes()}
    again = write(str(stick))
    assert (again.exit_code, "is not empty" in again.stderr) == (1, True)
    with image.open("r+b") as stream:
        stream.seek(70_000)
        stream.write(b"x")
    changed = write(str(stick))
    assert (changed.exit_code, "is not the image that was signed" in changed.stderr) == (1, True)
    signature_of(image).unlink()
    assert write().exit_code == 1


@pytest.mark.thorough
def test_an_image_of_another_root_is_refused(command: Any, tmp_path: Path) -> None:
    image, other = tmp_path / "a.iso", tmp_path / "other"
    other.mkdir()
    assert command("131041", "--out", str(image)).exit_code == 0
    Pki(other)
    done = CliRunner().invoke(app, ["write-medium", str(image), "--trust-anchor", str(other / "root.pem")])
    assert (done.exit_code, "can't be believed" in done.stderr) == (1, True)
    none = CliRunner().invoke(app, ["write-medium", str(image), "--trust-anchor", str(tmp_path / "none.pem")])
    assert none.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["131041", "--all"],
        ["131041", "--ring", "canary"],
        ["999999"],
        ["--all", "--ring", "none"],
        ["--all", "--prefecture", "47"],
        ["131041", "--drivers", "/no/such/folder"],
        ["131041", "--trust-anchor", "/no/such/file"],
        ["131041", "--package", "/no/such/file"],
    ],
)
def test_wrong_usage_is_told_and_builds_nothing(command: Any, tmp_path: Path, arguments: list[str]) -> None:
    done = command(*arguments)
    assert (done.exit_code, done.stderr != "") == (2, True)
    assert not list(tmp_path.glob("*.iso"))


def test_a_wrong_answer_file_stops_that_image_with_its_line(command: Any, tmp_path: Path) -> None:
    template = ROOT / "inventory" / "terminal" / "answer-file.xml.j2"
    wrong = tmp_path / "answers.xml"
    wrong.write_text(template.read_text().replace("<ProtectYourPC>3", "<ProtectYourPC>1"))
    line = next(n for n, each in enumerate(wrong.read_text().splitlines(), start=1) if "ProtectYourPC" in each)
    done = command("131041", "--answers", str(wrong), "--out", str(tmp_path / "a.iso"))
    assert (done.exit_code, f"answers.xml:{line}: " in done.stdout) == (1, True)
    assert not (tmp_path / "a.iso").exists()
