"""A small fleet: a trust anchor, a real hub process, a TLS front before it, agents in folders."""

import asyncio
import datetime as dt
import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from typer.testing import CliRunner

from renkei.agent import media
from renkei.agent.contact import Contact, establish
from renkei.agent.exchange import Outcome, exchange
from renkei.agent.home import Home, read_anchor
from renkei.agent.intake import Watch
from renkei.agent.keys import Keyring, point_of
from renkei.agent.media.shape import write_listing
from renkei.agent.settings import Settings
from renkei.cli.hub import app as hub_program
from renkei.client.connection import Connection, Credentials
from renkei.client.hub import HubClient
from renkei.domain.layouts import Layout, write
from renkei.domain.notices import Notice
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    certificate_to_pem,
    issue_authority,
    issue_client,
    issue_server,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
    make_server_request,
)
from renkei.exchange.crl import read_crl, sign_crl
from renkei.exchange.documents import Signer, peek
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Cover, Revocation
from renkei.hub.identity import make_keys, verified_binding
from renkei.hub.settings import Settings as HubSettings
from renkei.store.hub.contract import Bounds
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.spool import Spool
from unit.agent.front import Front
from unit.agent.office import Office, make_office
from unit.agent.rows import residence_notices, status_notices, write_residence_csv

DAYS = 398
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["renkei.hub.server", "renkei.agent.service"])


class Pki:
    """The ministry's root and issuing CA."""

    def __init__(self, folder: Path) -> None:
        begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=500)
        self.root = make_root("test root", make_key(), begin, 3650)
        key = make_key()
        certificate = issue_authority(make_authority_request(key, "test issuing"), self.root, begin, 1500)
        self.issuing = Authority(certificate, key)
        self.anchor_file = folder / "root.pem"
        self.anchor_file.write_text(certificate_to_pem(self.root.certificate))
        self.anchor = TrustAnchor(self.anchor_file.read_text())

    def entry(
        self, csr: str, party: str, terminal: str, receiving: bytes, generation: int = 1, days: int = DAYS, age: int = 0
    ) -> DirectoryEntry:
        begin = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2, days=age)
        certificate = issue_client(csr, Party(party), terminal, self.issuing, begin, days)
        end = min(begin + dt.timedelta(days=days), certificate.not_valid_after_utc)
        return bind(certificate, receiving, generation, self.issuing, begin, end)

    def crl(self, *revoked: DirectoryEntry, age: dt.timedelta = dt.timedelta(0), number: int = 0) -> str:
        """A list of revoked certificates, `age` old and due after three days; by default numbered as it is signed."""
        at = dt.datetime.now(dt.UTC) - age
        serials = [(certificate_from_pem(entry.certificate).serial_number, at) for entry in revoked]
        return sign_crl(serials, self.issuing, at, 3, number or int(at.timestamp()))

    def server(self, folder: Path, name: str) -> Credentials:
        key = make_key()
        begin = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)
        certificate = issue_server(make_server_request(key, name), [name], ["127.0.0.1"], self.issuing, begin, 30)
        chain = folder / f"{name}.pem"
        chain.write_text(certificate_to_pem(certificate) + certificate_to_pem(self.issuing.certificate))
        (folder / f"{name}.key").write_text(key_to_pem(key))
        return Credentials(chain, folder / f"{name}.key")


@dataclass
class Fleet:
    """One test's fleet."""

    folder: Path
    pki: Pki
    front: Front
    enrolment_front: Front
    hub_settings: HubSettings
    hub: BaseProcess
    homes: list[Home] = field(default_factory=list)
    processes = PROCESSES

    @property
    def gateway(self) -> str:
        return f"https://localhost:{self.front.port}"

    def settings(self, party: str, **more: object) -> Settings:
        home = Path(str(more.get("home", self.folder / f"home-{party}")))
        home.mkdir(exist_ok=True)
        values = {
            "endpoint": party,
            "terminal": f"T-{party}",
            "machine_serial": f"SERIAL-{party}",
            "home": home,
            "trust_anchor": self.pki.anchor_file,
            "gateway": self.gateway,
            "enrolment": f"https://localhost:{self.enrolment_front.port}",
            "exchange": {"stable_seconds": 0, "poll_seconds": 0.1, "retry_seconds": 1, "directory_seconds": 0},
            "media": {"scan": "off"},  # tests/unit/agent/test_scanning.py has scans, others don't depend on a scanner
        }
        settings = Settings.model_validate({**values, **more})
        settings.make_folders()
        return settings

    def home(self, party: str, **more: object) -> Home:
        """An agent's home that isn't enrolled."""
        settings = self.settings(party, **more)
        home = Home(settings, Spool(settings.database), Keyring(settings.keys), self.pki.anchor)
        self.homes.append(home)
        return home

    def agent(self, party: str, *, age: int = 0, **more: object) -> Home:
        """An agent that is enrolled, its binding live at the hub; `age` in days."""
        home = self.home(party, **more)
        self.enrol(home, age=age)
        return home

    def apart(self, home: Home) -> Home:
        """Give a home a trust anchor of its own in memory, as separate machines have."""
        object.__setattr__(home, "anchor", read_anchor(home.settings))
        assert home.anchor is not self.pki.anchor
        return home

    def enrol(self, home: Home, age: int = 0) -> DirectoryEntry:
        """Give a home its next generation of keys, by hand."""
        current = home.keyring.current()
        pending = home.keyring.prepare(home.party, home.settings.terminal)
        generation = current.number + 1 if current else 1
        entry = self.pki.entry(
            pending.request_pem, home.party, home.settings.terminal, pending.receiving_point, generation, age=age
        )
        self.bind(entry)
        verified = self.pki.anchor.verify_entry(entry, dt.datetime.now(dt.UTC))
        home.keyring.adopt(pending, entry, verified, home.settings.terminal)
        return entry

    def revoke(self, entry: DirectoryEntry) -> None:
        at = dt.datetime.now(dt.UTC)
        verified = self.pki.anchor.verify_entry(entry, at)
        revocation = Revocation(
            endpoint=verified.party,
            terminal=verified.terminal,
            certificate_sha256=verified.fingerprint,
            reason="test",
            revoked_at=at,
        )
        with self.authority() as client:
            client.put_revocation(revocation.sign(Signer(self.pki.issuing.key)))

    def replace(self, home: Home, revoked: DirectoryEntry) -> Home:
        """A new machine for the same endpoint: nothing of the old one is left, its certificate is revoked."""
        self.revoke(revoked)
        fresh = self.home(home.party, home=self.folder / "replacement")
        pending = fresh.keyring.prepare(fresh.party, fresh.settings.terminal)
        entry = self.pki.entry(
            pending.request_pem, fresh.party, fresh.settings.terminal, pending.receiving_point, generation=2
        )
        self.bind(entry)
        verified = self.pki.anchor.verify_entry(entry, dt.datetime.now(dt.UTC))
        fresh.keyring.adopt(pending, entry, verified, fresh.settings.terminal)
        return fresh

    def publish_crl(self, crl: str) -> int:
        """Give the hub a list of revoked certificates; its number."""
        with self.authority() as client:
            client.put_crl(crl)
        return read_crl(crl).number

    def bind(self, entry: DirectoryEntry) -> None:
        with self.authority() as client:
            client.put_binding(entry)

    def authority(self) -> HubClient:
        credentials = Credentials(self.folder / "authority.pem", self.folder / "authority.key")
        return HubClient(Connection.to_gateway(self.gateway, self.pki.anchor_file, credentials))

    def exchange(self, home: Home) -> Outcome:
        with home.connect() as client:
            return exchange(home, client, Watch(0))

    def contact(self, home: Home) -> Contact:
        return establish(home, home.connect())

    @staticmethod
    def peek(envelope: bytes) -> dict[str, Any]:
        return peek(envelope).payload

    @staticmethod
    def medium(home: Home, folder: Path, endpoint: str) -> Path:
        """A medium that a party has registered for an endpoint."""
        folder.mkdir(exist_ok=True)
        media.register(home, folder, Party(endpoint), "USB-01")
        return folder

    @staticmethod
    def cover_anew(home: Home, folder: Path) -> None:
        """Sign an export again whose files were changed: what a sender does that errs, or lies."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        cover = Cover.read(peek(files.pop("cover.json")).payload)
        del files["SHA256SUMS"]
        listing = write_listing(files)
        changes = {"files_sha256": hashlib.sha256(listing).hexdigest(), "files": len(files)}
        changed = cover.model_copy(update={**changes, "bytes": sum(map(len, files.values()))})
        (folder / "SHA256SUMS").write_bytes(listing)
        (folder / "cover.json").write_bytes(changed.sign(home.keys().signer))

    def write_config(self, home: Home) -> Path:
        s = home.settings
        path = self.folder / f"{home.party}.toml"
        bridge = f'[bridge]\nkind = "{s.bridge.kind.value}"\nfolder = "{s.bridge.folder}"\n' if s.bridge.folder else ""
        page = f'[page]\nport = {s.page.port}\nfolder = "{s.page.folder}"\n' if s.page else ""
        path.write_text(
            f'endpoint = "{s.endpoint}"\nterminal = "{s.terminal}"\nmachine_serial = "{s.machine_serial}"\n'
            f'home = "{s.home}"\ntrust_anchor = "{s.trust_anchor}"\nlink = "{s.link.value}"\n'
            f'gateway = "{s.gateway}"\nenrolment = "{s.enrolment}"\n'
            "[exchange]\nstable_seconds = 0\npoll_seconds = 0.1\nretry_seconds = 1\njitter_seconds = 0\n"
            f'mode = "{s.exchange.mode}"\n[publish]\nseconds = {s.publish.seconds}\n{bridge}'
            f'[media]\nscan = "{s.media.scan.value}"\n{page}'
        )
        return path

    def command(self, *arguments: str) -> str:
        """Run `renkei-hub` with this hub's settings; what it says."""
        done = CliRunner().invoke(hub_program, [*arguments, "--config", str(self.folder / "hub.toml")])
        assert done.exit_code == 0, done.output
        return done.output

    def back_up(self) -> None:
        """Back the hub up while it serves."""
        self.command("backup", str(self.folder / "backup.db"))

    def restore(self) -> None:
        """Put the backup in the place of the hub's store."""
        self.stop_hub()
        self.command("restore", str(self.folder / "backup.db"), "--overwrite")
        self.start_hub()

    def stop_hub(self) -> None:
        self.hub.kill()
        self.hub.join(10)

    def start_hub(self) -> None:
        self.hub = start_hub(self.folder)


def start_hub(folder: Path) -> BaseProcess:
    """A hub in a process of its own, forked where its modules are loaded already: that saves most of its start."""
    program = (
        "import asyncio; from pathlib import Path; from renkei.hub.server import serve;"
        "from renkei.hub.settings import read_settings; asyncio.run(serve(read_settings(Path(config))))"
    )
    socket_file = folder / "run" / "hub.sock"
    socket_file.unlink(missing_ok=True)
    process = PROCESSES.Process(target=exec, args=(program, {"config": str(folder / "hub.toml")}), daemon=True)
    process.start()
    deadline = time.monotonic() + 20
    while not socket_file.exists() and time.monotonic() < deadline and process.is_alive():
        time.sleep(0.01)
    assert socket_file.exists(), "the hub didn't start"
    return process


def prepare_hub(folder: Path, pki: Pki) -> HubSettings:
    """What `renkei-hub init` and the authority's first answers leave behind."""
    for name in ("run", "hub"):
        (folder / name).mkdir()
    (folder / "hub.toml").write_text(
        f'state = "{folder}/hub"\nrun = "{folder}/run"\nroot = "{pki.anchor_file}"\n'
        "[limits]\nrequests_per_second = 10000\nburst = 10000\nenrolment_requests_per_minute = 10000\n"
    )
    settings = HubSettings(state=folder / "hub", run=folder / "run", root=pki.anchor_file)
    keys = make_keys(settings.keys)
    hub = pki.entry(make_request(keys.signing, Party("hub"), "hub-1"), "hub", "hub-1", keys.receiving_point)
    key = make_key()
    receiving = point_of(make_key().public_key())
    authority = pki.entry(make_request(key, Party("authority"), "linkage"), "authority", "linkage", receiving)
    (folder / "authority.pem").write_text(authority.certificate + authority.issuer)
    (folder / "authority.key").write_text(key_to_pem(key))

    async def add() -> None:
        store = SqliteHubStore(settings.database, Bounds())
        try:
            for entry in (hub, authority):
                binding, _ = verified_binding(pki.anchor, entry, dt.datetime.now(dt.UTC))
                await store.add_binding(binding, "test", int(time.time()))
        finally:
            store.close()

    asyncio.run(add())
    return settings


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@contextmanager
def a_fleet(folder: Path, pki: Pki) -> Iterator[Fleet]:
    """A hub that serves, and nobody enrolled yet."""
    settings = prepare_hub(folder, pki)
    hub = start_hub(folder)
    server = pki.server(folder, "localhost")
    front = Front(folder / "run" / "hub.sock", server, pki.anchor_file)
    enrolment_front = Front(folder / "run" / "enrolment.sock", server, None)
    fleet = Fleet(folder, pki, front, enrolment_front, settings, hub)
    yield fleet
    for home in fleet.homes:
        home.spool.close()
    front.close()
    enrolment_front.close()
    fleet.stop_hub()


@pytest.fixture
def fleet(tmp_path: Path, pki: Pki) -> Iterator[Fleet]:
    with a_fleet(tmp_path, pki) as fleet:
        yield fleet


@dataclass
class Offline:
    """Agents and parties without a hub."""

    folder: Path
    pki: Pki
    homes: list[Home] = field(default_factory=list)

    @staticmethod
    def now() -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def party(self, name: str) -> tuple[VerifiedParty, EllipticCurvePrivateKey]:
        """A party as others see it, and its receiving key."""
        if name not in PARTIES:
            receiving = make_key()
            entry = self.pki.entry(
                make_request(make_key(), Party(name), "T"), name, "T", point_of(receiving.public_key())
            )
            PARTIES[name] = self.pki.anchor.verify_entry(entry, self.now()), receiving
        return PARTIES[name]

    def agent(self, party: str, **more: object) -> Home:
        """An enrolled agent."""
        folder = self.folder / f"home-{len(self.homes)}"
        folder.mkdir()
        url = "https://localhost:1"
        settings = Settings.model_validate(
            {
                "endpoint": party,
                "terminal": "T",
                "machine_serial": "S",
                "home": folder,
                "gateway": url,
                "enrolment": url,
                **more,
            }
        )
        settings.make_folders()
        home = Home(settings, Spool(settings.database), Keyring(settings.keys), self.pki.anchor)
        pending = home.keyring.prepare(home.party, "T")
        entry = self.pki.entry(pending.request_pem, party, "T", pending.receiving_point)
        home.keyring.adopt(pending, entry, self.pki.anchor.verify_entry(entry, self.now()), "T")
        self.homes.append(home)
        return home


PARTIES: dict[str, tuple[VerifiedParty, EllipticCurvePrivateKey]] = {}


@pytest.fixture
def offline(tmp_path: Path, pki: Pki) -> Iterator[Offline]:
    made = Offline(tmp_path, pki)
    yield made
    for home in made.homes:
        home.spool.close()


@pytest.fixture(scope="session")
def residence_list() -> Callable[..., list[Notice]]:
    """A municipality's notices: (count, municipality, number of the first)."""
    return residence_notices


@pytest.fixture(scope="session")
def residence_csv() -> Callable[..., bytes]:
    """A municipality's file: (count, municipality, number of the first)."""
    return write_residence_csv


@pytest.fixture(scope="session")
def status_csv() -> Callable[..., bytes]:
    """A file of the ministry: (count, municipality, number of the first)."""

    def make(count: int, municipality: str = "131041", first: int = 1) -> bytes:
        return write(status_notices(count, municipality, first), Layout())

    return make


@pytest.fixture
def office(offline: Any, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A terminal with its host, and the authority of its orders."""
    return make_office(offline, monkeypatch)
