"""A medium is this machine's image, signed and whole, or nothing is installed from it."""

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from images import VERSION, Authority, authority_of, lay_out, machine_of, make_kit
from renkei.agent.first_boot import installing, unpacking
from renkei.agent.first_boot.installing import OtherMachine, Place, install
from renkei.agent.first_boot.medium import Checked, MediumRefused, check
from renkei.agent.first_boot.unpacking import PackageRefused, unpack
from renkei.cli.agent import app
from renkei.exchange.images import anchor_number
from renkei.fleet.terminal.media import contents
from renkei.fleet.terminal.media.batch import Outcome, build_all
from renkei.fleet.terminal.media.contents import Kit
from renkei.fleet.terminal.media.signing import Signer
from unit.agent.conftest import Pki
from unit.examples import examples

SERIAL = "LAB0A1301"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Kit:
    folder = tmp_path_factory.mktemp("kit")
    return make_kit(
        folder, pki.anchor_file, agent_home=str(folder / "home"), agent_trust_anchor=str(folder / "root.pem")
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, pki: Pki, kit: Kit) -> Iterator[Authority]:
    with authority_of(pki, tmp_path_factory.mktemp("authority"), list(kit.fleet.terminals)) as made:
        yield made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, kit: Kit, authority: Authority) -> Path:
    """A medium as the ministry makes it."""
    folder = tmp_path_factory.mktemp("image")
    return medium_of(kit, authority, "131041", folder)


@pytest.fixture
def medium(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(original, tmp_path / "medium")
    return tmp_path / "medium"


def medium_of(kit: Kit, authority: Authority, code: str, folder: Path) -> Path:
    with Signer(authority.signer) as signer:
        (result,) = build_all(kit, [(machine_of(kit, code), folder / f"{code}.iso")], signer, 1)
    assert result.outcome is Outcome.BUILT, result.why
    return lay_out(folder / f"{code}.iso", folder / code)


def look(medium: Path, pki: Pki, serial: str = SERIAL, number: str = "", at: datetime | None = None) -> Checked:
    wanted = number or anchor_number(pki.anchor_file.read_text())
    return check(medium, medium / "renkei.sig", wanted, serial, at or datetime.now(UTC))


def test_a_medium_of_the_ministry_is_taken(medium: Path, pki: Pki) -> None:
    checked = look(medium, pki)
    assert (checked.manifest.endpoint, checked.manifest.release.version) == ("131041", VERSION)
    typed = anchor_number(pki.anchor_file.read_text()).lower().replace("-", " ")
    assert look(medium, pki, number=typed).manifest == checked.manifest


SPOIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (lambda m: flip(m / "renkei/first-boot.ps1"), r"renkei/first-boot.ps1: was changed"),
    "another package": (lambda m: flip(next((m / "renkei").glob("*.zip"))), r"\.zip: was changed"),
    "changed settings": (lambda m: flip(m / "renkei/agent.toml"), r"renkei/agent.toml: was changed"),
    "a changed answer file": (lambda m: flip(m / "autounattend.xml"), r"autounattend.xml: was changed"),
    "an added file": (lambda m: (m / "setup.exe").write_bytes(b"MZ"), r"setup.exe: was added"),
    "a file in an added folder": (lambda m: added(m / "sources" / "$OEM$"), r"sources/\$OEM\$/x: was added"),
    "a removed file": (lambda m: (m / "renkei/collect-facts.ps1").unlink(), r"collect-facts.ps1: is missing"),
    "a changed manifest": (lambda m: flip(m / "renkei/manifest.json"), r"not the one that was signed"),
    "no manifest": (lambda m: (m / "renkei/manifest.json").unlink(), r"manifest.json: can't be read"),
    "no signature": (lambda m: (m / "renkei.sig").unlink(), r"renkei.sig: can't be read"),
    "a changed signature": (lambda m: flip(m / "renkei.sig"), r"renkei.sig: "),
    "no root": (lambda m: (m / "renkei/root.pem").unlink(), r"root.pem: can't be read"),
    "no certificate for a root": (lambda m: (m / "renkei/root.pem").write_text("x"), r"made? the medium anew|anew"),
    "a link": (lambda m: (m / "renkei/x").symlink_to("/etc/passwd"), r"renkei/x: is no plain file"),
    "a linked folder": (lambda m: (m / "renkei/x").symlink_to("/etc"), r"renkei/x: is no plain file"),
    "a pipe": (lambda m: os.mkfifo(m / "renkei/x"), r"renkei/x: is no plain file"),
    "a huge signature": (lambda m: (m / "renkei.sig").write_bytes(b"x" * 300_000), r"renkei.sig: has more than"),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def added(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "x").write_bytes(b"")


@pytest.mark.parametrize("what", SPOIL)
def test_a_medium_that_was_tampered_with_is_refused(medium: Path, pki: Pki, what: str) -> None:
    spoil, message = SPOIL[what]
    spoil(medium)
    with pytest.raises(MediumRefused, match=message):
        look(medium, pki)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.integers(0, 10_000), place=st.integers(0, 10_000_000), bit=st.integers(0, 7))
def test_no_bit_of_any_file_can_change(original: Path, pki: Pki, choice: int, place: int, bit: int) -> None:
    files = sorted(path for path in original.rglob("*") if path.is_file())
    path = files[choice % len(files)]
    before = path.read_bytes()
    changed = bytearray(before)
    changed[place % len(before)] ^= 1 << bit
    path.write_bytes(changed)
    try:
        with pytest.raises(MediumRefused):
            look(original, pki)
    finally:
        path.write_bytes(before)


def test_what_is_wrong_is_told_all_at_once(medium: Path, pki: Pki) -> None:
    flip(medium / "autounattend.xml")
    (medium / "x.txt").write_text("")
    (medium / "renkei/collect-facts.ps1").unlink()
    with pytest.raises(MediumRefused) as raised:
        look(medium, pki, serial="OTHER")
    assert len(str(raised.value).splitlines()) == 4


def test_a_medium_for_another_machine_is_refused(medium: Path, pki: Pki) -> None:
    with pytest.raises(
        MediumRefused, match="131041/R2026-0001, a machine with the serial LAB0A1301; this machine has X"
    ):
        look(medium, pki, serial="X")


@pytest.mark.thorough
def test_settings_of_another_endpoint_are_refused_even_where_they_are_signed(
    kit: Kit, authority: Authority, tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of who builds: the manifest names one endpoint, the settings another."""
    others = contents.settings(kit, kit.fleet.hosts["m012271-terminal"], machine_of(kit, "012271"))
    monkeypatch.setattr(contents, "settings", lambda *_: others)
    medium = medium_of(kit, authority, "131041", tmp_path)
    with pytest.raises(MediumRefused, match="is for another machine than the manifest says"):
        look(medium, pki)


@pytest.mark.thorough
def test_a_medium_of_somebody_elses_root_is_refused(pki: Pki, tmp_path: Path, kit: Kit) -> None:
    """All of it holds together, but under a root that the sheet doesn't know."""
    forger = tmp_path / "forger"
    forger.mkdir()
    others = Pki(forger)
    with authority_of(others, forger, list(kit.fleet.terminals)) as authority:
        forged = medium_of(replace(kit, anchor=others.anchor_file), authority, "131041", forger)
    assert look(forged, others).manifest.endpoint == "131041"
    with pytest.raises(MediumRefused, match="another number than the sheet"):
        look(forged, pki)
    shutil.copy(pki.anchor_file, forged / "renkei/root.pem")
    with pytest.raises(MediumRefused, match="can't be believed"):
        look(forged, pki)


def test_a_clock_that_is_far_off_is_named_as_a_reason(medium: Path, pki: Pki) -> None:
    with pytest.raises(MediumRefused, match="is this machine's clock right"):
        look(medium, pki, at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(MediumRefused, match="is this machine's clock right"):
        look(medium, pki, at=datetime.now(UTC) + timedelta(days=500))


def test_what_windows_writes_onto_a_stick_does_no_harm(medium: Path, pki: Pki) -> None:
    added(medium / "System Volume Information")
    assert look(medium, pki)
    added(medium / "renkei" / "System Volume Information")
    with pytest.raises(MediumRefused, match="was added"):
        look(medium, pki)


def place_in(folder: Path) -> Place:
    return Place(folder / "programs", folder / "etc" / "agent.toml", folder / "etc" / "root.pem", folder / "home")


def test_a_second_installation_changes_nothing(medium: Path, pki: Pki, tmp_path: Path) -> None:
    checked, place = look(medium, pki), place_in(tmp_path)
    first = install(checked, place)
    assert (first.changed, install(checked, place).changed) == (True, False)
    assert place.config.read_text() == checked.settings
    program = place.programs / "versions" / VERSION / "bin" / "renkei-agent"
    assert list(first.command) == [str(program)]
    assert os.access(program, os.X_OK)


def test_a_machine_of_another_endpoint_is_not_touched(medium: Path, pki: Pki, tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.config.parent.mkdir()
    place.config.write_text('endpoint = "012271"\nterminal = "R2024-0001"\n')
    with pytest.raises(OtherMachine, match="serves 012271 as R2024-0001 already"):
        install(look(medium, pki), place)
    assert not place.programs.exists()


def test_a_medium_that_gives_other_bytes_at_the_second_reading_gains_nothing(
    medium: Path, pki: Pki, tmp_path: Path
) -> None:
    checked = look(medium, pki)
    flip(medium / checked.manifest.release.path)
    with pytest.raises(MediumRefused, match="was changed"):
        install(checked, place_in(tmp_path))
    assert not (tmp_path / "programs").exists()


def packed(file: Path, members: dict[str, bytes], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return file


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\\..\\x", "a//x", "other/x", "x\ny"])
def test_a_name_that_leads_elsewhere_unpacks_nothing(tmp_path: Path, name: str) -> None:
    package = packed(tmp_path / "p.zip", {"v/release.json": b"{}", f"v/{name}" if name != "other/x" else name: b"1"})
    with pytest.raises(PackageRefused, match="leads elsewhere"):
        unpack(package, tmp_path / "versions" / "v")
    assert list((tmp_path / "versions").iterdir()) == []


def test_a_package_is_unpacked_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "versions" / "v"
    with pytest.raises(PackageRefused, match=r"no release\.json"):
        unpack(packed(tmp_path / "p.zip", {"x": b""}), folder)
    with pytest.raises(PackageRefused, match="leads elsewhere"):
        unpack(packed(tmp_path / "p.zip", {"release.json": b"/etc/passwd"}, stat.S_IFLNK | 0o777), folder)
    (tmp_path / "p.zip").write_bytes(b"no zip")
    with pytest.raises(PackageRefused, match="is no package"):
        unpack(tmp_path / "p.zip", folder)
    monkeypatch.setattr(unpacking, "MAX_SIZE", 1000)
    with pytest.raises(PackageRefused, match="more than 1000 bytes"):
        unpack(packed(tmp_path / "p.zip", {"release.json": b"{}", "a": b"0" * 999}), folder)
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 1)
    with pytest.raises(PackageRefused, match="more than 1 files"):
        unpack(packed(tmp_path / "p.zip", {"release.json": b"{}", "a": b""}), folder)
    assert not folder.exists()


def test_what_an_interruption_left_is_unpacked_anew(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    (folder / "half").write_bytes(b"")
    (tmp_path / ".v.new").mkdir()
    assert unpack(packed(tmp_path / "p.zip", {"release.json": b"{}"}), folder)
    assert [path.name for path in folder.iterdir()] == ["release.json"]
    assert not unpack(tmp_path / "gone.zip", folder)


@pytest.mark.thorough
def test_a_release_that_can_not_install_itself_says_why(
    medium: Path, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing.platform, "installation_of", lambda home: ["no-such-command", str(home)])
    with pytest.raises(installing.NotInstalled, match="no-such-command"):
        install(look(medium, pki), place_in(tmp_path))


def run(medium: Path, tmp_path: Path, number: str, *more: str, given: str = "") -> Result:
    arguments = ["--medium", str(medium), "--number", number, "--serial", SERIAL, *more]
    arguments += ["--programs", str(tmp_path / "programs"), "--config", str(tmp_path / "agent.toml")]
    return CliRunner().invoke(app, ["first-boot", *arguments], input=given)


def test_the_command_installs_nothing_from_a_medium_that_it_refuses(medium: Path, tmp_path: Path) -> None:
    done = run(medium, tmp_path, "0000-0000-0000-0000-0000", "--code-file=-", given="X")
    assert (done.exit_code, "何も導入していません" in done.stderr) == (1, True)
    assert not (tmp_path / "programs").exists()


def test_the_command_only_checks_where_it_is_asked_to(medium: Path, tmp_path: Path, pki: Pki) -> None:
    done = run(medium, tmp_path, anchor_number(pki.anchor_file.read_text()), "--check-only", "--json")
    assert (done.exit_code, json.loads(done.stdout)["endpoint"]) == (0, "131041")
    assert not (tmp_path / "programs").exists()


def test_a_mistyped_code_is_told_before_anything_is_installed(medium: Path, tmp_path: Path, pki: Pki) -> None:
    typed = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG"
    done = run(medium, tmp_path, anchor_number(pki.anchor_file.read_text()), "--code-file=-", given=typed)
    assert (done.exit_code, "typing error" in done.stderr, typed in done.output) == (2, True, False)
    assert not (tmp_path / "programs").exists()
