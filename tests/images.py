"""What tests of terminal images share: a release's package, a kit, a registration authority, an image laid out."""

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pycdlib
import yaml

from renkei.exchange.certificates import certificate_to_pem, key_to_pem, make_authority_request
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.terminal.media.answers import read_rules
from renkei.fleet.terminal.media.contents import Kit
from renkei.fleet.terminal.media.package import read_package
from renkei.fleet.terminal.specification import read_specification
from renkei.fleet.terminals import Terminal
from renkei.ministry.issuance import issue_binding
from renkei.ministry.office import Office, open_office
from renkei.ministry.settings import load_settings
from unit.agent.conftest import Pki

ROOT = Path(__file__).parents[1]
TERMINAL = ROOT / "inventory" / "terminal"
VERSION = "0.1.0-0123456789ab"
RELEASED = datetime(2026, 11, 1, 3, 4, 6, tzinfo=UTC)
PROGRAMS = Path(sys.executable).parent


def make_package(folder: Path) -> Path:
    """A package as a release has it, whose program is the one of this checkout."""
    file = folder / f"renkei-agent-{VERSION}-windows-amd64.zip"
    program = f"#!{sys.executable}\nfrom renkei.cli.agent import main\n\nmain()\n"
    record = json.dumps({"name": VERSION, "version": "0.1.0", "digest": "0" * 64})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in (("bin/renkei-agent", program, 0o755), ("release.json", record, 0o644)):
            member = zipfile.ZipInfo(name, RELEASED.timetuple()[:6])
            member.external_attr = (0o100000 | mode) << 16
            archive.writestr(member, content)
    return file


def make_kit(folder: Path, anchor: Path, fleet: Fleet | None = None, **defaults: object) -> Kit:
    """A kit of the lab's fleet; `defaults` take the place of the role's."""
    specification = read_specification(TERMINAL / "specification.yml")
    role = folder / "role"
    shutil.copytree(ROOT / "roles" / "agent", role)
    file = role / "defaults" / "main.yml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **defaults}))
    return Kit(
        fleet=fleet or load_fleet(ROOT / "inventory" / "lab"),
        specification=specification,
        rules=read_rules(TERMINAL / "answer-rules.yml"),
        answers=TERMINAL / "answer-file.xml.j2",
        package=read_package(make_package(folder), specification.software[0]),
        anchor=anchor,
        scripts=TERMINAL,
        role=role,
        drivers=None,
    )


def machine_of(kit: Kit, code: str) -> Terminal:
    terminal = kit.fleet.sites[code].terminal
    assert terminal is not None
    return terminal


def lay_out(image: Path, folder: Path) -> Path:
    """Copy an image onto a medium, with its signature, as the runbook has it."""
    for name, content in read_image(image).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.copy(image.with_name(image.name + ".sig"), folder / "renkei.sig")
    return folder


def read_image(image: Path, names: str = "udf_path") -> dict[str, bytes]:
    """The files of an image by one of its two kinds of names: udf_path or joliet_path."""
    found: dict[str, bytes] = {}
    disc = pycdlib.PyCdlib()
    disc.open(str(image))
    try:
        for folder, _, files in disc.walk(**{names: "/"}):
            for name in files:
                path = f"{folder.rstrip('/')}/{name}"
                content = BytesIO()
                disc.get_file_from_iso_fp(content, **{names: path})
                found[path.lstrip("/")] = content.getvalue()
    finally:
        disc.close()
    return found


@dataclass
class Authority:
    """A registration authority whose issuing CA is the tests'; `config` is its ministry.toml."""

    config: Path
    office: Office

    @property
    def signer(self) -> list[str]:
        """The real command, in a process of its own."""
        return [str(PROGRAMS / "renkei"), "ministry", "authority", "sign-images", "--config", str(self.config)]


@contextmanager
def authority_of(
    pki: Pki, folder: Path, machines: list[Terminal], hub: str = "https://localhost:1"
) -> Iterator[Authority]:
    """An authority of its own; the tests' hub knows a first generation, so that its own is the second."""
    state = folder / "authority"
    issuing = state / "issuing"
    issuing.mkdir(parents=True)
    (issuing / "issuing.key").write_text(key_to_pem(pki.issuing.key))
    (issuing / "issuing.pem").write_text(certificate_to_pem(pki.issuing.certificate))
    (issuing / "issuing.csr").write_text(make_authority_request(pki.issuing.key, "test issuing"))
    terminals = folder / "terminals.json"
    rows = [
        {
            "asset_number": machine.asset_number,
            "endpoint": machine.code.value,
            "machine_serial": machine.machine_serial,
            "state": machine.state.value,
            "place": "",
        }
        for machine in machines
    ]
    terminals.write_text(json.dumps(rows))
    config = folder / "ministry.toml"
    config.write_text(
        f'[hub]\nurl = "{hub}"\n[authority]\nstate = "{state}"\nroot = "{pki.anchor_file}"\n'
        f'terminals = "{terminals}"\npoll_seconds = 0.1\n'
    )
    with open_office(load_settings(config)) as office:
        now = datetime.now(UTC)
        first = office.own.prepare()
        office.ledger.write(lambda records: issue_binding(records, first, office.issuing.open(now), now, 398))
        shutil.rmtree(state / "keys")
        yield Authority(config, office)
