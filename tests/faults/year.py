"""A fleet whose clock a test sets: hub, gateway, authority and agents as their own programs, under libfaketime.

    with Year(folder) as year:
        year.advance(to=270)        # days after the beginning, for every program at once
        year.send()                 # a notice of the endpoint …
        year.settle()               # … is delivered and receipted

What an operator does by hand in such a year (the root, the issuing CA, the gateway's certificate) is done by the
functions behind `renkei ca` and `renkei ministry`, at the fleet's time.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from faults.gateway import ROOT, Gateway
from faults.promises import numbers
from renkei.agent.home import open_home
from renkei.agent.settings import Settings, load
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor
from renkei.exchange.certificates import certificate_to_pem, key_to_pem, make_key, make_server_request
from renkei.exchange.enrolment import EnrolmentFields
from renkei.exchange.parties import Party
from renkei.hub.settings import read_settings
from renkei.hub.setup import install_entry, prepare, trust
from renkei.ministry.counter import issue_locally, issue_server_locally
from renkei.ministry.issuance import Applicant, issue_binding
from renkei.ministry.office import Office, open_office
from renkei.ministry.root import OfflineRoot
from renkei.ministry.settings import load_settings
from renkei.store.spool import Spool
from unit.agent.rows import write_residence_csv

SHINJUKU, MINISTRY = "131041", "ministry"
BOTH_ROOTS = 365
"""Days for which the old and the new root are both trusted."""

_LIBFAKETIME = ROOT / "build/cache/faketime/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_BIN = Path(sys.executable).parent
_PATIENCE = 150
_NOTICED = 1  # second, until a program sees that its clock was set


def wait(what: str, condition: Callable[[], Any]) -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it didn't come true within {_PATIENCE} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Clock:
    """A clock that runs, and that a test sets ahead; `file` says to every program by how much."""

    file: Path
    began: datetime

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_LIBFAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": str(_NOTICED),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # waiting takes as long as ever
        }

    def set(self, days: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"+{days}d\n")
        fresh.replace(self.file)

    def now(self) -> datetime:
        days = int(self.file.read_text().strip("+d\n"))
        return datetime.now(UTC) + timedelta(days=days)


class Year:
    """The fleet."""

    def __init__(self, folder: Path) -> None:
        if not _LIBFAKETIME.exists():
            raise FileNotFoundError(f"{_LIBFAKETIME}: ./kit env fetches it")
        self.folder = folder
        self.clock = Clock(folder / "clock", datetime.now(UTC))
        self.clock.set(0)
        self.given = 0
        self._open = ExitStack()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self.root = OfflineRoot(folder / "root-1")
        self.root.init("first root", self.clock.now())
        self._trusted = folder / "root.pem"  # of hub, gateway and authority, as the roles put it there
        self._trusted.write_bytes(self.root.anchors.read_bytes())
        self._first = folder / "first-root.pem"  # of the agents: what comes after it they learn by themselves
        self._first.write_bytes(self.root.anchors.read_bytes())
        self._server_key = make_key()
        self.gateway = self._prepare()

    def __enter__(self) -> Self:
        self.start("hub", "renkei-hub", "serve", "--config", self.folder / "hub.toml")
        wait("the hub listens", (self.folder / "run" / "hub.sock").exists)
        self.start("authority", "renkei", "ministry", "authority", "serve", "--config", self.folder / "linkage.toml")
        for party in (MINISTRY, SHINJUKU):
            self.begin(party)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._programs):
            self.stop(name)
        self._open.close()

    # -- programs

    def start(self, name: str, program: str, *words: object) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        environment = os.environ | self.clock.environment
        command = [str(_BIN / program), *map(str, words)]
        with log:
            self._programs[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def begin(self, party: str) -> None:
        """Start a party's agent."""
        self.start(party, "renkei-agent", "serve", "--config", self.folder / f"{party}.toml")

    def stop(self, name: str) -> None:
        process = self._programs.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def run(self, program: str, *words: object) -> str:
        """Run a program once, at the fleet's time; what it printed."""
        command = [str(_BIN / program), *map(str, words)]
        done = subprocess.run(
            command, env=os.environ | self.clock.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or done.stdout, done.stderr
        return done.stdout

    def restart_hub(self) -> None:
        """A hub that goes on looks for its keys and roots every five minutes; a test doesn't wait for that."""
        self.stop("hub")
        (self.folder / "run" / "hub.sock").unlink(missing_ok=True)
        self.start("hub", "renkei-hub", "serve", "--config", self.folder / "hub.toml")
        wait("the hub listens again", (self.folder / "run" / "hub.sock").exists)

    # -- time and traffic

    def advance(self, to: int) -> None:
        """Set every program's clock to so many days after the beginning."""
        self.clock.set(to)
        time.sleep(1.1 * _NOTICED)

    def send(self) -> None:
        self.given += 1
        content = write_residence_csv(1, SHINJUKU, self.given)
        (self.home(SHINJUKU) / "outbox" / f"{self.given}.csv").write_bytes(content)

    def settle(self) -> None:
        """Wait until all that was sent is delivered, once and in order, and its sender holds the receipts."""
        wanted = [f"N-{SHINJUKU}-{number:06d}" for number in range(1, self.given + 1)]
        inbox = self.home(MINISTRY) / "inbox" / SHINJUKU
        wait(f"{self.given} notices are delivered", lambda: inbox.is_dir() and numbers(inbox) == wanted)
        with closing(Spool(self.home(SHINJUKU) / "state.db")) as spool:
            wait("their receipts are here", lambda: spool.outgoing.unreceipted() == [])

    def home(self, party: str) -> Path:
        return self.folder / f"home-{party}"

    def has_keys(self, party: str, generation: int) -> bool:
        """Whether an agent has put keys of a generation into use."""
        return (self.home(party) / "keys" / str(generation)).is_dir()

    def status(self, party: str) -> dict[str, Any]:
        """Read `renkei-agent status` at the fleet's time."""
        found: dict[str, Any] = json.loads(
            self.run("renkei-agent", "status", "--json", "--config", self.folder / f"{party}.toml")
        )
        return found

    def ask(self, party: str) -> None:
        """Ask a running agent for an exchange, and wait until it has begun."""
        wish = self.home(party) / "exchange-now"
        wish.touch()
        wait(f"{party} exchanges", lambda: not wish.exists())

    # -- what an operator does

    def office(self) -> Any:
        return open_office(load_settings(self.folder / "linkage.toml"))

    def succeed_root(self) -> None:
        """`renkei ca succeed`, and what the roles bring to hub, gateway and authority."""
        successor = OfflineRoot(self.folder / "root-2")
        successor.init("second root", self.clock.now())
        successor.succeed(self.root, self.clock.now(), BOTH_ROOTS)
        self.root = successor
        self._trusted.write_bytes(successor.anchors.read_bytes())
        self.restart_hub()
        self._reload_gateway()

    def renew_issuing(self) -> None:
        """`renkei ca sign-issuing` by the root of now, and `renkei ministry authority install-issuing`."""
        with self.office() as office:
            request = office.issuing.request.read_text()
            signed = self.root.sign_issuing(request, self.clock.now())
            assert signed.new
            office.issuing.install(certificate_to_pem(signed.certificate), self.clock.now())

    def renew_gateway(self) -> None:
        with self.office() as office:
            self._certify_gateway(office)
        self._reload_gateway()

    def renew_server(self) -> None:
        """What the gateway's timer runs every day, and what systemd does upon it."""
        folder, socket = self.folder / "etc/gateway", self.folder / "run/gateway.sock"
        words = ("--folder", folder, "--root", self._trusted, "--socket", socket)
        wait(
            "the gateway is renewed",
            lambda: self.run("renkei-hub", "renew-server", *words, "--wait", 0).startswith("renewed"),
        )
        os.kill(self.gateway.pid, signal.SIGHUP)

    def renew_hub(self) -> None:
        """What the hub's timer runs every day."""
        words = ("renew", "--when-due", "--terminal", "hub-1", "--config", self.folder / "hub.toml")
        assert self.run("renkei-hub", *words).startswith("asked")

    def generation(self, party: str) -> int:
        """The newest generation that the authority has issued to a party, and the hub knows."""
        with self.office() as office:
            issued = office.ledger.read(lambda records: records.bindings(party))
            unpushed = {digest for digest, _ in office.ledger.read(lambda records: records.unpushed_entries())}
        return max(each.generation for each in issued if each.certificate_sha256 not in unpushed)

    # -- the beginning

    def _prepare(self) -> Gateway:
        for name in ("run", "hub", "authority"):
            (self.folder / name).mkdir()
        (self.folder / "hub.toml").write_text(
            f'state = "{self.folder}/hub"\nrun = "{self.folder}/run"\nroot = "{self._trusted}"\n'
        )
        terminals = [
            {"asset_number": f"T-{party}", "endpoint": party, "machine_serial": f"S-{party}", "state": "in_service"}
            for party in (MINISTRY, SHINJUKU)
        ]
        (self.folder / "terminals.json").write_text(json.dumps(terminals))
        (self.folder / "linkage.toml").write_text(
            f'[hub]\nurl = "https://localhost:1"\n[authority]\nstate = "{self.folder}/authority"\n'
            f'root = "{self._trusted}"\nterminals = "{self.folder}/terminals.json"\npoll_seconds = 0.2\n'
        )
        with self.office() as office:
            office.issuing.init("issuing")
            signed = self.root.sign_issuing(office.issuing.request.read_text(), self.clock.now())
            office.issuing.install(certificate_to_pem(signed.certificate), self.clock.now())
            self._certify_gateway(office)
            self._set_up_hub(office)
            gateway = self._start_gateway()
            for party in (MINISTRY, SHINJUKU):
                self._set_up_agent(office, party, f"https://localhost:{gateway.port}")
        config = self.folder / "linkage.toml"
        config.write_text(config.read_text().replace("localhost:1", f"localhost:{gateway.port}"))
        return gateway

    def _certify_gateway(self, office: Office) -> None:
        request = make_server_request(self._server_key, "localhost")
        chain = issue_server_locally(office, request, ["localhost"], ["127.0.0.1"], self.clock.now())
        (self.folder / "server.pem").write_text(chain)
        (self.folder / "server.key").write_text(key_to_pem(self._server_key))

    def _start_gateway(self) -> Gateway:
        server, key = self.folder / "server.pem", self.folder / "server.key"
        passed = "".join(f"\nenv {name};" for name in self.clock.environment)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.clock.environment.items():
                patch.setenv(name, value)
            changes = {"daemon off;": f"daemon off;{passed}"}
            gateway = Gateway(self.folder, self.folder / "run", self._trusted, server, key, changes)
        return self._open.enter_context(closing(gateway))

    def _reload_gateway(self) -> None:
        for source, target in (
            (self._trusted, "pki/root.pem"),
            (self.folder / "server.pem", "gateway/certificate.pem"),
        ):
            (self.folder / "etc" / target).write_bytes(source.read_bytes())
        os.kill(self.gateway.pid, signal.SIGHUP)

    def _set_up_hub(self, office: Office) -> None:
        settings = read_settings(self.folder / "hub.toml")
        asked = EnrolmentFields.model_validate_json(prepare(settings, "hub-1"))
        for name, entry in (
            ("hub.json", issue_locally(office, asked, self.clock.now())),
            ("authority.json", office.identity(self.clock.now()).entry.to_json().decode()),
        ):
            (self.folder / name).write_text(entry)
        install_entry(settings, self.folder / "hub.json")
        trust(settings, [self.folder / "authority.json"])

    def _set_up_agent(self, office: Office, party: str, gateway: str) -> None:
        config = self.folder / f"{party}.toml"
        config.write_text(
            f'endpoint = "{party}"\nterminal = "T-{party}"\nmachine_serial = "S-{party}"\nhome = "{self.home(party)}"\n'
            f'trust_anchor = "{self._first}"\ngateway = "{gateway}"\nenrolment = "{gateway}"\n'
            "[exchange]\nstable_seconds = 0\npoll_seconds = 0.1\nretry_seconds = 1\njitter_seconds = 0\n"
            "[publish]\nseconds = 2\n"
        )
        self.home(party).mkdir()
        settings: Settings = load(config)
        settings.make_folders()
        with open_home(settings) as home:
            pending = home.keyring.prepare(home.party, settings.terminal)
            applicant = Applicant(Party(party), settings.terminal, pending.request_pem, pending.receiving_point)
            issuing, at = office.issuing.open(self.clock.now()), self.clock.now()
            issued = office.ledger.write(lambda records: issue_binding(records, applicant, issuing, at))
            anchor = TrustAnchor(self._first.read_text())
            entry = DirectoryEntry.from_json(issued.entry)
            home.keyring.adopt(pending, entry, anchor.verify_entry(entry, at), settings.terminal)
