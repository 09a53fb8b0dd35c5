"""A machine becomes a terminal from its medium: real programs, a real gateway, a real hub, the real authority."""

import json
import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.gateway import Gateway
from images import PROGRAMS, Authority, authority_of, lay_out, machine_of, make_kit
from renkei.exchange.images import anchor_number
from renkei.exchange.parties import Party
from renkei.fleet.terminal.media.batch import Outcome, build_all
from renkei.fleet.terminal.media.contents import Kit
from renkei.fleet.terminal.media.signing import Signer
from renkei.ministry.authority import AuthorityService, connect_by
from renkei.ministry.counter import give_out_code
from renkei.ministry.service import ALARM, Stop
from unit.agent.conftest import Fleet, Pki, prepare_hub, start_hub


@dataclass
class Ministry:
    """The ministry's side, and the place where machines are."""

    folder: Path
    pki: Pki
    authority: Authority
    gateway: Gateway
    kit: Kit

    @property
    def number(self) -> str:
        """What the sheet says of the trust anchor."""
        return anchor_number(self.pki.anchor_file.read_text())

    def code(self, endpoint: str, hours: float = 1) -> str:
        """What the sheet says of the code, the ministry's counter having made it."""
        machine = machine_of(self.kit, endpoint)
        span = (datetime.now(UTC), timedelta(hours=hours))
        office = self.authority.office
        return give_out_code(office, Party(endpoint), machine.asset_number, machine.machine_serial, span).code

    def medium(self, endpoint: str) -> Path:
        """The endpoint's medium."""
        image = self.folder / f"{endpoint}.iso"
        with Signer(self.authority.signer) as signer:
            (result,) = build_all(self.kit, [(machine_of(self.kit, endpoint), image)], signer, 1)
        assert result.outcome is Outcome.BUILT, result.why
        return lay_out(image, self.folder / f"medium-{endpoint}")

    def first_boot(self, medium: Path, endpoint: str, code: str | None, wait: int = 30) -> "Boot":
        """Run the agent's program as the medium's script does."""
        config = self.folder / "machine" / "agent.toml"
        arguments = ["--medium", medium, "--number", self.number, "--config", config]
        arguments += ["--serial", machine_of(self.kit, endpoint).machine_serial, "--json"]
        arguments += [
            "--programs",
            self.folder / "machine" / "programs",
            f"--wait={wait}",
            *(["--code-file=-"] if code else []),
        ]
        command = [PROGRAMS / "renkei-agent", "first-boot", *arguments]
        done = subprocess.run(list(map(str, command)), input=code or "", capture_output=True, text=True, check=False)
        return Boot(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)

    def agent(self, *arguments: str) -> Any:
        """Call the program that was installed."""
        (program,) = (self.folder / "machine" / "programs" / "versions").glob("*/bin/renkei-agent")
        command = [str(program), *arguments, "--json", f"--config={self.folder / 'machine' / 'agent.toml'}"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


@dataclass
class Boot:
    """How a first boot ended."""

    exit_code: int
    report: dict[str, Any]
    said: str


@pytest.fixture
def ministry(tmp_path: Path, pki: Pki) -> Iterator[Ministry]:
    settings = prepare_hub(tmp_path, pki)
    server = pki.server(tmp_path, "localhost")
    gateway = Gateway(tmp_path, tmp_path / "run", pki.anchor_file, server.chain, server.key)
    places = {
        "agent_home": str(tmp_path / "machine" / "home"),
        "agent_trust_anchor": str(tmp_path / "machine" / "root.pem"),
        "agent_gateway": f"https://localhost:{gateway.port}",
        "agent_enrolment": f"https://localhost:{gateway.enrolment_port}",
    }
    kit = make_kit(tmp_path, pki.anchor_file, **places)
    fleet = Fleet(tmp_path, pki, gateway, gateway, settings, start_hub(tmp_path))  # type: ignore[arg-type]  # its port
    stop = Stop()
    with (
        closing(gateway),
        authority_of(pki, tmp_path, list(kit.fleet.terminals), places["agent_gateway"]) as authority,
    ):
        fleet.bind(authority.office.identity(datetime.now(UTC)).entry)
        fleet.agent("ministry")  # whom the first exchange is with
        connect = connect_by(authority.office.settings.hub, pki.anchor_file)
        service = threading.Thread(target=AuthorityService(authority.office, connect).run, args=(stop,))
        service.start()
        try:
            yield Ministry(tmp_path, pki, authority, gateway, kit)
        finally:
            stop.ask()
            service.join(30)
            for home in fleet.homes:
                home.spool.close()
            fleet.stop_hub()


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == ALARM and record.name == "renkei.authority"
    ]


@pytest.mark.parametrize("endpoint", ["131041", "012271"], ids=["online", "media"])
def test_a_machine_becomes_the_terminal_of_its_medium(ministry: Ministry, endpoint: str) -> None:
    code = ministry.code(endpoint)
    boot = ministry.first_boot(ministry.medium(endpoint), endpoint, code)
    assert boot.exit_code == 0, boot.said
    assert boot.report["done"] == ["check", "install", "enrol", "exchange"]
    status = ministry.agent("status")
    assert (status["enrolled"], status["party"]) == (True, endpoint)
    alarms = [each["kind"] for each in status["alarms"]]
    assert alarms == (["register"] if endpoint == "131041" else []), "its register's share isn't mounted yet"
    written = [path.read_bytes() for path in (ministry.folder / "machine").rglob("*") if path.is_file()]
    assert not [content for content in written if code.encode() in content]
    kept = json.loads((ministry.folder / "machine" / "home" / "first-boot.json").read_text())
    assert (kept["endpoint"], kept["generation"], kept["code"]) == (endpoint, boot.report["generation"], 0)


def test_a_second_run_goes_on_without_a_code(ministry: Ministry) -> None:
    medium = ministry.medium("131041")
    assert ministry.first_boot(medium, "131041", ministry.code("131041")).exit_code == 0
    again = ministry.first_boot(medium, "131041", None)
    assert (again.exit_code, again.report["done"]) == (0, ["check", "install", "enrol", "exchange"])


def test_a_code_is_used_once(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    """Another machine with a copy of the medium and of the sheet."""
    caplog.set_level(logging.INFO)
    medium, code = ministry.medium("131041"), ministry.code("131041")
    assert ministry.first_boot(medium, "131041", code).exit_code == 0
    (ministry.folder / "machine").rename(ministry.folder / "first")
    second = ministry.first_boot(medium, "131041", code)
    assert (second.exit_code, second.report["failed"]) == (1, "enrol")
    assert "the one-time code is used" in second.report["why"]
    assert ["R2026-0001 refused: code 1 used" in each for each in alarms(caplog)] == [True]
    (alarm,) = ministry.agent("status")["alarms"]
    assert (alarm["kind"], "the one-time code is used" in alarm["text"]) == ("enrolment", True)


def test_an_expired_code_is_refused(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    code = ministry.code("131041", hours=-1)
    boot = ministry.first_boot(ministry.medium("131041"), "131041", code)
    assert (boot.exit_code, boot.report["done"]) == (1, ["check", "install"])
    assert "the one-time code is expired" in boot.report["why"]
    assert ["refused: code 1 expired" in each for each in alarms(caplog)] == [True]


def test_a_code_of_another_endpoint_is_refused(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    ministry.code("131041")
    boot = ministry.first_boot(ministry.medium("131041"), "131041", ministry.code("012271"))
    assert (boot.exit_code, boot.report["failed"]) == (1, "enrol")
    assert "the proof doesn't hold" in boot.report["why"]
    assert ["the proof fits no code" in each for each in alarms(caplog)] == [True]


def test_after_a_refusal_a_new_sheet_lets_the_machine_in(ministry: Ministry) -> None:
    medium = ministry.medium("131041")
    assert ministry.first_boot(medium, "131041", ministry.code("131041", hours=-1)).exit_code == 1
    assert ministry.first_boot(medium, "131041", ministry.code("131041")).exit_code == 0
    assert [each["kind"] for each in ministry.agent("status")["alarms"]] == ["register"], "its share isn't mounted yet"


def test_a_medium_of_another_endpoint_installs_nothing(ministry: Ministry) -> None:
    boot = ministry.first_boot(ministry.medium("012271"), "131041", ministry.code("131041"))
    assert (boot.exit_code, boot.report) == (1, {})
    assert "何も導入していません" in boot.said
    assert not (ministry.folder / "machine").exists()


def test_a_hub_that_can_not_be_reached_is_told_and_tried_again_later(ministry: Ministry) -> None:
    medium, code = ministry.medium("131041"), ministry.code("131041")
    ministry.gateway.close()
    boot = ministry.first_boot(medium, "131041", code, wait=1)
    assert (boot.exit_code, boot.report["failed"], boot.report["done"]) == (3, "enrol", ["check", "install"])


def test_the_code_is_in_no_process_list(ministry: Ministry) -> None:
    """Looked at while the programs run: their arguments and environment."""
    seen: list[bytes] = []
    medium, code = ministry.medium("131041"), ministry.code("131041")
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    try:
                        content = path.read_bytes()
                    except OSError:
                        continue
                    if b"enrol" in content or code.encode() in content:
                        seen.append(content)
            done.wait(0.02)  # the programs need the processor, too

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert ministry.first_boot(medium, "131041", code).exit_code == 0
    finally:
        done.set()
        watcher.join(30)
    assert seen, "the program that enrols was never seen"
    assert not [content for content in seen if code.encode() in content]
