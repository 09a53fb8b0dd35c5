"""A Windows becomes a terminal from its medium, by the package's own programs under Wine, at a real hub and authority.

What Wine can't show (Windows Setup, the answer file, the script of the first sign-in) is in docs/runbooks/media.md.
"""

import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from images import RELEASED, Authority, authority_of, lay_out, machine_of, make_kit
from renkei.exchange.images import anchor_number
from renkei.exchange.parties import Party
from renkei.fleet.loader import load_fleet
from renkei.fleet.terminal.media.batch import Outcome, build_all
from renkei.fleet.terminal.media.package import Package
from renkei.fleet.terminal.media.signing import Signer
from renkei.ministry.authority import AuthorityService, connect_by
from renkei.ministry.counter import give_out_code
from renkei.ministry.service import Stop
from unit.agent.conftest import Pki, pki
from windows.cpython import ROOT
from windows.terminal import ENDPOINT, Terminal, terminal_at_hub

__all__ = ["pki"]

SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\renkei-agent"


@dataclass
class Scene:
    """A Windows, its medium, and the ministry's authority."""

    terminal: Terminal
    authority: Authority
    medium: Path
    number: str
    asset: str
    serial: str

    def code(self) -> str:
        """What the ministry's sheet says."""
        span = (datetime.now(UTC), timedelta(hours=1))
        return give_out_code(self.authority.office, Party(ENDPOINT), self.asset, self.serial, span).code

    def first_boot(self, code: str, serial: str = "") -> tuple[int, str]:
        """What the medium's script does: unpack the package beside, and let it go on."""
        folder = self.terminal.wine.c / "first"
        if not folder.exists():
            with zipfile.ZipFile(self.terminal.package.archive) as archive:
                archive.extractall(folder)
        python = rf"C:\first\{self.terminal.package.name}\python\python.exe"
        arguments = ["--medium", "Z:" + str(self.medium).replace("/", "\\"), "--number", self.number, "--json"]
        arguments += ["--serial", serial or self.serial, "--programs", r"C:\Program Files\Renkei", "--code-file", "-"]
        command = [python, "-X", "utf8", "-m", "renkei.cli.agent", "first-boot", *arguments]
        done = self.terminal.wine.run(*command, given=code.encode(), check=False)
        return done.returncode, done.stdout.decode() + done.stderr.decode()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("first-boot")
    with terminal_at_hub(folder / "hub", pki) as terminal:
        urls = {"agent_gateway": terminal.fleet.gateway, "agent_enrolment": terminal.enrolment, "agent_page": False}
        fleet = load_fleet(ROOT / "inventory" / "lab")
        # the lab's registers have their share on Linux
        defaults = {**fleet.settings.defaults, "agent_bridge_folder": ""}
        fleet = replace(fleet, settings=replace(fleet.settings, defaults=defaults))
        kit = make_kit(folder, pki.anchor_file, fleet, **urls)
        built = terminal.package
        kit = replace(kit, package=Package(built.archive, built.name, built.sha256, built.size, RELEASED))
        machine = machine_of(kit, ENDPOINT)
        with authority_of(pki, folder, list(kit.fleet.terminals), terminal.fleet.gateway) as authority:
            terminal.fleet.bind(authority.office.identity(datetime.now(UTC)).entry)
            assert terminal.ministry  # whom the first exchange is with
            with Signer(authority.signer) as signer:
                (result,) = build_all(kit, [(machine, folder / "image.iso")], signer, 1)
            assert result.outcome is Outcome.BUILT, result.why
            medium = lay_out(folder / "image.iso", folder / "medium")
            stop = Stop()
            connect = connect_by(authority.office.settings.hub, pki.anchor_file)
            service = threading.Thread(target=AuthorityService(authority.office, connect).run, args=(stop,))
            service.start()
            number = anchor_number(pki.anchor_file.read_text())
            try:
                yield Scene(terminal, authority, medium, number, machine.asset_number, machine.machine_serial)
            finally:
                stop.ask()
                service.join(30)


def test_a_medium_of_another_machine_installs_nothing(scene: Scene) -> None:
    code, said = scene.first_boot(scene.code(), serial="OTHER")
    assert (code, "this machine has OTHER" in said) == (1, True), said
    assert not (scene.terminal.wine.c / "Program Files" / "Renkei").exists()


def test_the_machine_becomes_the_terminal_of_its_medium(scene: Scene) -> None:
    code, said = scene.first_boot(scene.code())
    assert code == 0, said + scene.terminal.log()
    report = json.loads((scene.terminal.data / "first-boot.json").read_text())
    assert report["done"] == ["check", "install", "enrol", "exchange"]
    status = json.loads(scene.terminal.agent("status", "--json"))
    assert (status["enrolled"], status["party"], status["terminal"]) == (True, ENDPOINT, scene.asset)
    service = json.loads(scene.terminal.agent("service", "status", "--json"))
    assert (service["state"], service["service"]["ObjectName"]) == ("running", r"NT SERVICE\renkei-agent")


def test_removing_the_software_leaves_nothing_secret(scene: Scene) -> None:
    terminal = scene.terminal
    (terminal.data / "rejected" / "rows.csv").write_bytes(b"row")
    refused = terminal.agent("service", "remove", code=1)
    assert "--discard" in refused
    assert (terminal.data / "keys" / "1").is_dir()
    removed = json.loads(terminal.agent("service", "remove", "--discard", "--json"))["removed"]
    assert removed[0] == "service"
    assert not terminal.data.exists()
    assert terminal.wine.run("reg.exe", "query", SERVICE, check=False).returncode != 0
    assert sorted(path.name for path in terminal.programs.iterdir()) == ["versions"]
    assert json.loads(terminal.agent("service", "remove", "--json"))["removed"] == []
