"""Images of terminals: what is in them, that they are always the same, and that only what changed is built."""

import base64
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pycdlib
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # ansible-core has no types
from ansible.template import Templar, trust_as_template  # type: ignore[import-untyped]  # the same

from images import (
    RELEASED,
    VERSION,
    Authority,
    authority_of,
    machine_of,
    make_kit,
    read_image,
)
from renkei.agent.keys import point_of
from renkei.agent.settings import Settings
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.documents import Signer as DocumentSigner
from renkei.exchange.images import (
    MANIFEST,
    ImageError,
    ImageManifest,
    ImageSignature,
    anchor_number,
    check_signed,
    open_signature,
)
from renkei.exchange.parties import Party
from renkei.fleet.model import Fleet, Part
from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.media.batch import Outcome, build_all
from renkei.fleet.terminal.media.building import MediaError, build, is_built, make_plan, signature_of
from renkei.fleet.terminal.media.contents import Kit
from renkei.fleet.terminal.media.disc import DiscError, write_disc
from renkei.fleet.terminal.media.package import PackageError, find_package, read_package
from renkei.fleet.terminal.media.signing import Signer
from renkei.fleet.terminals import State
from renkei.fleet.variables import host_variables
from unit.agent.conftest import Pki, pki

__all__ = ["pki"]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def kit(tmp_path: Path, pki: Pki, lab: Fleet) -> Kit:
    return make_kit(tmp_path, pki.anchor_file, lab)


@pytest.fixture
def authority(tmp_path: Path, pki: Pki, kit: Kit) -> Iterator[Authority]:
    with authority_of(pki, tmp_path, list(kit.fleet.terminals)) as made:
        yield made


def test_an_image_holds_what_its_manifest_says_under_both_kinds_of_names(kit: Kit, tmp_path: Path) -> None:
    plan = make_plan(kit, machine_of(kit, "131041"))
    build(plan, tmp_path / "a.iso")
    files = read_image(tmp_path / "a.iso")
    assert files == read_image(tmp_path / "a.iso", "joliet_path")
    manifest = ImageManifest.from_bytes(files.pop(MANIFEST))
    assert [file.path for file in manifest.files] == sorted(files)
    assert {"autounattend.xml", "$WinPEDriver$/renkei.txt", "renkei/first-boot.ps1", "renkei/root.pem"} < set(files)
    assert files[f"renkei/renkei-agent-{VERSION}-windows-amd64.zip"] == kit.package.file.read_bytes()


def test_the_settings_are_those_that_the_role_writes_and_the_agent_reads(kit: Kit) -> None:
    plan = make_plan(kit, machine_of(kit, "012271"))
    content = plan.files["renkei/agent.toml"]
    assert isinstance(content, bytes)
    told = tomllib.loads(content.decode())
    settings = Settings.model_validate(told)
    assert (settings.endpoint, settings.terminal, settings.link.value) == ("012271", "R2024-0001", "media")
    assert told["home"] == r"C:\ProgramData\Renkei"
    assert settings.gateway == "https://gateway.asp.renkei.test:8443"


@pytest.mark.parametrize(
    ("asset_number", "name"),
    [
        ("R2026-0001", "R2026-0001"),
        ("r2026-1", "R2026-1"),
        ("1310410001", "RENKEI-131041"),
        ("S" * 16, "RENKEI-131041"),
    ],
)
def test_the_name_of_the_first_boot_is_the_one_that_the_role_sets(kit: Kit, asset_number: str, name: str) -> None:
    """Otherwise every machine would be renamed at the bench, and start once more for that."""
    machine = replace(machine_of(kit, "131041"), asset_number=asset_number)
    answers = make_plan(kit, machine).files["autounattend.xml"]
    assert isinstance(answers, bytes)
    assert f"<ComputerName>{name}</ComputerName>".encode() in answers
    site = kit.fleet.sites["131041"]
    fleet = replace(kit.fleet, sites={**kit.fleet.sites, "131041": replace(site, terminal=machine)})
    host = replace(site.hosts[Part.TERMINAL], site=fleet.sites["131041"])
    default = yaml.safe_load((ROOT / "roles" / "terminal_base" / "defaults" / "main.yml").read_text())
    template = trust_as_template(default["terminal_base_name"])
    assert Templar(loader=DataLoader(), variables=host_variables(fleet, host)).template(template) == name


def test_a_shared_machine_gets_nothing_that_would_set_it_up_anew(kit: Kit) -> None:
    """R2025-0001 also serves the resident register: an answer file on its medium could erase it."""
    plan = make_plan(kit, machine_of(kit, "011011"))
    assert plan.manifest.profile == "shared"
    assert not [path for path in plan.files if not path.startswith("renkei/")]


def test_one_that_is_built_twice_is_the_same(kit: Kit, tmp_path: Path) -> None:
    for name in ("a.iso", "b.iso"):
        build(make_plan(kit, machine_of(kit, "131041")), tmp_path / name)
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()


@pytest.mark.thorough
def test_the_same_release_gives_the_same_bytes_whenever_and_wherever(kit: Kit, tmp_path: Path) -> None:
    """Built again by another process, in another time zone, years later, with another seed of hashes."""
    plan = make_plan(kit, machine_of(kit, "131041"))
    build(plan, tmp_path / "a.iso")
    script = (
        "import sys, pickle, time; real = time.time; time.time = lambda: real() + 1e8\n"
        "from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from images import machine_of, Kit\n"
        "from renkei.fleet.terminal.media.building import build, make_plan\n"
        "plan = pickle.loads(Path(sys.argv[2]).read_bytes()); build(plan, Path(sys.argv[3]))\n"
    )
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    arguments = [sys.executable, "-c", script, str(ROOT / "tests"), str(tmp_path / "plan"), str(tmp_path / "b.iso")]
    environment = {**os.environ, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT / "tests")}
    subprocess.run(arguments, check=True, env=environment)
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()


def test_every_time_on_an_image_is_the_releases(kit: Kit, tmp_path: Path) -> None:
    build(make_plan(kit, machine_of(kit, "131041")), tmp_path / "a.iso")
    disc = pycdlib.PyCdlib()
    disc.open(str(tmp_path / "a.iso"))
    date = disc.get_record(joliet_path="/renkei/manifest.json").date
    entry = disc.get_record(udf_path="/renkei/manifest.json")
    found = (date.years_since_1900 + 1900, date.month, date.day_of_month, date.hour, date.minute, date.second)
    assert found == RELEASED.timetuple()[:6]
    time = entry.mod_time
    assert (time.year, time.month, time.day, time.hour, time.minute, time.second, time.tz) == (*found, 0)
    disc.close()


def test_two_machines_have_volumes_of_their_own(kit: Kit, tmp_path: Path) -> None:
    for code in ("131041", "011011"):
        build(make_plan(kit, machine_of(kit, code)), tmp_path / f"{code}.iso")
    assert (tmp_path / "131041.iso").read_bytes() != (tmp_path / "011011.iso").read_bytes()


@pytest.mark.thorough
def test_no_code_key_or_password_is_on_an_image(kit: Kit, tmp_path: Path, authority: Authority) -> None:
    out = tmp_path / "a.iso"
    with Signer(authority.signer) as signer:
        (result,) = build_all(kit, [(machine_of(kit, "131041"), out)], signer, 1)
    assert result.outcome is Outcome.BUILT
    for content in (out.read_bytes(), signature_of(out).read_bytes()):
        for word in (rb"PRIVATE KEY", rb"(?i)<[^>]*password", rb"(?i)productkey", rb"(?i)autologon"):
            assert re.search(word, content) is None
        # a one-time code: seven groups of four characters of Crockford's base 32
        assert re.search(rb"(?:[0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}", content) is None


def test_the_authority_signs_what_was_built_and_the_root_vouches_for_it(
    kit: Kit, tmp_path: Path, authority: Authority, pki: Pki
) -> None:
    out = tmp_path / "a.iso"
    with Signer(authority.signer) as signer:
        list(build_all(kit, [(machine_of(kit, "131041"), out)], signer, 1))
    text, now = signature_of(out).read_bytes(), pki_now()
    image = open_signature(text, TrustAnchor(pki.anchor_file.read_text()), now)
    manifest = check_signed(read_image(out)[MANIFEST], image)
    assert (manifest.endpoint, manifest.machine_serial) == ("131041", "LAB0A1301")
    held = json.loads(text)
    payload = base64.b64decode(json.loads(held["image"])["payload"])
    other = base64.b64encode(payload.replace(b"131041", b"131059")).decode()
    forged = json.dumps({**held, "image": json.dumps({**json.loads(held["image"]), "payload": other})}).encode()
    for damaged in (text[:-20] + b"}", forged, b"{}", b"x" * 200_000):
        with pytest.raises(ImageError):
            open_signature(damaged, TrustAnchor(pki.anchor_file.read_text()), now)
    with pytest.raises(ImageError, match="valid"):
        open_signature(text, TrustAnchor(pki.anchor_file.read_text()), now + timedelta(days=500))
    others = make_plan(kit, machine_of(kit, "012271")).manifest.to_bytes()
    with pytest.raises(ImageError, match="not the one that was signed"):
        check_signed(others, image)


def pki_now() -> datetime:
    return datetime.now(UTC)


def test_nobody_but_the_authority_can_sign(kit: Kit, tmp_path: Path, pki: Pki) -> None:
    """A terminal's own certificate is vouched for by the same root, and isn't the authority's."""
    key = make_key()
    entry = pki.entry(make_request(key, Party("131041"), "T"), "131041", "T", point_of(make_key().public_key()))
    request = build(make_plan(kit, machine_of(kit, "131041")), tmp_path / "a.iso")
    envelope = request.statement(pki_now()).sign(DocumentSigner(key))
    forged = ImageSignature(entry=entry, image=envelope.decode()).to_bytes()
    with pytest.raises(ImageError, match="is one for 131041"):
        open_signature(forged, TrustAnchor(pki.anchor_file.read_text()), pki_now())


@pytest.mark.thorough
def test_the_authority_signs_for_machines_of_the_inventory_only(kit: Kit, tmp_path: Path, authority: Authority) -> None:
    machine = replace(machine_of(kit, "131041"), machine_serial="OTHER")
    with Signer(authority.signer) as signer:
        (result,) = build_all(kit, [(machine, tmp_path / "a.iso")], signer, 1)
    assert result.outcome is Outcome.FAILED
    assert "no terminal R2026-0001 with serial OTHER" in result.why
    assert not signature_of(tmp_path / "a.iso").exists()


@pytest.mark.thorough
def test_the_authority_signs_for_no_machine_that_is_retired(kit: Kit, tmp_path: Path, authority: Authority) -> None:
    request = build(make_plan(kit, machine_of(kit, "131041")), tmp_path / "a.iso")
    retired = request.model_copy(update={"terminal": "R2021-0001", "machine_serial": "LAB0A0001"})
    with Signer(authority.signer) as signer:
        with pytest.raises(MediaError, match="no terminal R2021-0001"):
            signer.sign(retired)
        assert signer.sign(request)  # the command goes on after a refusal


@pytest.mark.parametrize("command", [["/no/such/program"], ["true"], ["echo", "hello"], ["cat"]])
def test_an_authority_that_does_not_answer_is_told(kit: Kit, tmp_path: Path, command: list[str]) -> None:
    with Signer(command) as signer:
        (result,) = build_all(kit, [(machine_of(kit, "131041"), tmp_path / "a.iso")], signer, 1)
    assert (result.outcome, "command" in result.why or "can't be run" in result.why) == (Outcome.FAILED, True)


@pytest.mark.thorough
def test_what_is_built_and_unchanged_is_left_alone(kit: Kit, tmp_path: Path, authority: Authority) -> None:
    jobs = [(machine_of(kit, code), tmp_path / f"{code}.iso") for code in ("011011", "012271", "131041")]

    def run(kit: Kit) -> dict[str, Outcome]:
        with Signer(authority.signer) as signer:
            return {each.endpoint: each.outcome for each in build_all(kit, jobs, signer, 2)}

    assert set(run(kit).values()) == {Outcome.BUILT}
    times = {out: out.stat().st_mtime_ns for _, out in jobs}
    assert set(run(kit).values()) == {Outcome.UNCHANGED}
    assert {out: out.stat().st_mtime_ns for _, out in jobs} == times
    with jobs[0][1].open("r+b") as image:  # damaged on the disk
        image.seek(50_000)
        image.write(b"x")
    signature_of(jobs[1][1]).unlink()  # interrupted before it was signed
    assert run(kit) == {"011011": Outcome.BUILT, "012271": Outcome.BUILT, "131041": Outcome.UNCHANGED}
    newer = replace(kit, package=replace(kit.package, at=kit.package.at + timedelta(days=1)))
    assert set(run(newer).values()) == {Outcome.BUILT}


@pytest.mark.thorough
def test_one_that_can_not_be_built_keeps_no_other_from_it(kit: Kit, tmp_path: Path, authority: Authority) -> None:
    gone = replace(machine_of(kit, "011011"), state=State.RETIRED)
    jobs = [(gone, tmp_path / "a.iso"), (machine_of(kit, "131041"), tmp_path / "b.iso")]
    with Signer(authority.signer) as signer:
        results = {each.endpoint: each for each in build_all(kit, jobs, signer, 2)}
    assert (results["011011"].outcome, results["131041"].outcome) == (Outcome.FAILED, Outcome.BUILT)
    assert "retired" in results["011011"].why


def test_drivers_of_the_model_go_along(kit: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "drivers" / "RK-T300" / "net"
    folder.mkdir(parents=True)
    (folder / "nic.inf").write_text("[Version]")
    plan = make_plan(replace(kit, drivers=tmp_path / "drivers"), machine_of(kit, "131041"))
    assert "$WinPEDriver$/net/nic.inf" in plan.files
    assert (
        "$WinPEDriver$/net/nic.inf"
        not in make_plan(replace(kit, drivers=tmp_path / "drivers"), machine_of(kit, "012271")).files
    )
    (folder / "über.inf").write_text("[Version]")
    with pytest.raises(MediaError, match=r"über\.inf: can't be on an image"):
        make_plan(replace(kit, drivers=tmp_path / "drivers"), machine_of(kit, "131041"))


def test_a_name_that_joliet_has_no_room_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiscError, match="64 characters"):
        write_disc({"x" * 65: b""}, tmp_path / "a.iso", "A", RELEASED, 1)
    with pytest.raises(DiscError, match="can't be written"):
        write_disc({"a": b""}, tmp_path / "none" / "a.iso", "A", RELEASED, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_what_its_release_says(kit: Kit, tmp_path: Path) -> None:
    software = kit.specification.software[0]
    assert (kit.package.version, kit.package.at) == (VERSION, RELEASED)
    renamed = tmp_path / "renkei-agent-9.9.9-windows-amd64.zip"
    shutil.copy(kit.package.file, renamed)
    with pytest.raises(PackageError, match="its name must be"):
        read_package(renamed, software)
    renamed.write_bytes(b"no zip")
    with pytest.raises(PackageError, match="is no package"):
        read_package(renamed, software)
    with pytest.raises(PackageError, match="there are 2 packages"):
        find_package(tmp_path, software)
    with pytest.raises(PackageError, match="build the release"):
        find_package(tmp_path / "none", software)


def test_a_package_of_the_tests_gets_onto_no_terminal(kit: Kit, tmp_path: Path) -> None:
    double = tmp_path / "double" / kit.package.file.name
    double.parent.mkdir()
    record = {"name": VERSION, "version": "0.1.0", "cpython": {"version": "3.11.2", "double": True}}
    with zipfile.ZipFile(double, "w") as archive:
        archive.writestr(f"{VERSION}/release.json", json.dumps(record))
    with pytest.raises(PackageError, match="CPython for tests"):
        read_package(double, kit.specification.software[0])


def test_the_package_that_was_released_last_is_taken(kit: Kit, tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    releases.mkdir()
    for version in ("1", "2"):
        (releases / f"renkei-agent-{version}-windows-amd64.zip").write_bytes(b"")
    record = releases / "windows.json"
    record.write_text(json.dumps({"archive": str(releases / "renkei-agent-1-windows-amd64.zip")}))
    assert find_package(releases, kit.specification.software[0]).name == "renkei-agent-1-windows-amd64.zip"
    record.write_text("{}")
    with pytest.raises(PackageError, match="is no record"):
        find_package(releases, kit.specification.software[0])


def test_the_number_of_the_anchor_is_of_its_content(pki: Pki) -> None:
    pem = pki.anchor_file.read_text()
    assert re.fullmatch(r"(?:[0-9A-F]{4}-){4}[0-9A-F]{4}", anchor_number(pem))
    assert anchor_number(pem) == anchor_number("\n" + pem.replace("\n", "\r\n"))


def test_a_plan_is_only_of_files_that_can_be_read(kit: Kit) -> None:
    with pytest.raises(MediaError, match="can't be read"):
        make_plan(replace(kit, anchor=Path("/no/such/file")), machine_of(kit, "131041"))
    with pytest.raises(FleetError):
        make_plan(replace(kit, answers=Path("/no/such/file")), machine_of(kit, "131041"))


def test_an_image_that_is_not_there_is_not_built(kit: Kit, tmp_path: Path) -> None:
    assert not is_built(make_plan(kit, machine_of(kit, "131041")), tmp_path / "a.iso")
