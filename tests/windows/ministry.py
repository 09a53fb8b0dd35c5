"""Ministry IT with its keys, its catalogue and its ledger, patching the staging bench's terminals by `patch.yml`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from renkei.exchange.bindings import bind
from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_client,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.sealing import public_point
from renkei.exchange.signed import Signed
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.waves.engine import load
from renkei.fleet.waves.state import WaveState
from renkei.lab.windows.host import Host
from renkei.store.waves.ledger import Act, open_ledger
from windows.staging import PLAYBOOKS, Run, Staging

KB, UBR = "KB5058411", 4061
NEW = f"26100.{UBR}"
UPDATE = Update(kb=KB, build=NEW, file="kb.msu", sha256="ab" * 32, size=700_000_000, urgency="routine", requires=[])


def offer(machines: Iterable[Host], breaks: str | None = None) -> None:
    """Have the update source offer the update to machines, and say what it does to them."""
    for machine in machines:
        offered = {"id": "1", "title": "Cumulative", "kb": [KB], "categories": [], "reboot": True, "build": UBR}
        machine.updates = [{**offered, "breaks": breaks}]


@dataclass
class Ministry:
    """Files of ministry IT in a folder, and what its people do.

    Attributes:
        bench: the staging bench.
        restart_seconds: how long a machine may take to come back.
        jitter_seconds: how long machines wait at most before they fetch.
    """

    bench: Staging
    restart_seconds: int = 30
    jitter_seconds: int = 0
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make keys, an authority and a catalogue."""
        self.folder = self.bench.folder / "ministry"
        self.folder.mkdir()
        self.bench.environment["ANSIBLE_DISPLAY_OK_HOSTS"] = "1"  # what the playbook says is looked at
        begin = whole_seconds(datetime.now(UTC) - timedelta(hours=1))
        root = make_root("root of the waves", make_key(), begin, 30)
        key = make_key()
        issuing = Authority(issue_authority(make_authority_request(key, "issuing of the waves"), root, begin, 20), key)
        signing = make_key()
        certificate = issue_client(
            make_request(signing, AUTHORITY, "moj-linkage"), AUTHORITY, "moj-linkage", issuing, begin
        )
        point = public_point(make_key().public_key())
        entry = bind(certificate, point, 1, issuing, begin, begin + timedelta(days=10))
        catalogue = Catalogue(number=1, issued_at=begin, updates=[UPDATE])
        self._put("root.pem", certificate_to_pem(root.certificate))
        self._put("authority.key", key_to_pem(signing))
        (self.folder / "catalogue.json").write_bytes(Signed(entry, catalogue.sign(Signer(signing))).to_json())
        form = PublicFormat.SubjectPublicKeyInfo
        people = {name: make_key() for name in ("sato", "suzuki")}
        for name, each in people.items():
            self._put(f"{name}.key", key_to_pem(each))
        pems = {name: each.public_key().public_bytes(Encoding.PEM, form).decode() for name, each in people.items()}
        self._put("people.json", json.dumps(pems))
        reach = {
            "bench_certificate": str(self.bench.folder / "client.pem"),
            "bench_key": str(self.bench.folder / "client.key"),
            "bench_authority": str(self.bench.folder / "root.pem"),
            "patch_jitter_seconds": self.jitter_seconds,
            "patch_restart_seconds": self.restart_seconds,
        }
        self._put("reach.json", json.dumps(reach))

    def patch(self, *arguments: str, **variables: object) -> Run:
        """Run the playbook of ministry IT."""
        given = {"patch_trust_anchor": self.path("root.pem"), "patch_ledger": self.path("waves.db"), **variables}
        return self.bench.play(PLAYBOOKS / "patch.yml", *arguments, **given)

    def plan(self, *arguments: str, **variables: object) -> Run:
        """Plan a wave over the bench's terminals, by the playbook."""
        wish = {"patch_kbs": [KB], "patch_catalogue": self.path("catalogue.json"), "patch_bench": "only"}
        return self.patch(*arguments, **{**wish, "patch_as": "sato", "patch_key": self.path("sato.key"), **variables})

    def planned(self) -> str:
        """Plan a wave, have it approved; return its id."""
        run = self.plan()
        assert run.code == 0, run.output
        with open_ledger(self.path("waves.db")) as ledger:
            wave = ledger.waves()[-1][0]
        self.approve(wave)
        return wave

    def approve(self, wave: str) -> None:
        """Approve a wave, as somebody else."""
        who = ("--as", "suzuki", "--key", self.path("suzuki.key"), "--people", self.path("people.json"))
        done = self.renkei("wave", "approve", wave, *who, "--ledger", self.path("waves.db"))
        assert done.returncode == 0, done.stderr

    def decide(self, what: str, wave: str) -> None:
        """Resume or abort a wave."""
        done = self.renkei("wave", what, wave, "--as", "suzuki", "--why", "test", "--ledger", self.path("waves.db"))
        assert done.returncode == 0, done.stderr

    def running(self) -> dict[str, Any]:
        """What the playbook is given to run a wave."""
        return {
            "patch_authority_key": self.path("authority.key"),
            "patch_people": self.path("people.json"),
            "patch_variables": [self.path("reach.json")],
            "patch_runs": self.path("runs"),
            "patch_every": 1,
            "patch_page": self.path("wave.html"),
        }

    def run(self, wave: str, *arguments: str) -> Run:
        """Run a wave to its end by the playbook."""
        return self.patch(*arguments, patch_wave=wave, **self.running())

    def command(self, wave: str) -> list[str]:
        """The command line of the controller that the playbook starts."""
        inventory = (
            "--inventory",
            str(self.bench.fleet.folder / "fleet.yml"),
            "--inventory",
            str(self.bench.folder / "bench.yml"),
        )
        files = ("--key", self.path("authority.key"), "--people", self.path("people.json"))
        places = (
            "--trust-anchor",
            self.path("root.pem"),
            "--ledger",
            self.path("waves.db"),
            "--runs",
            self.path("runs"),
        )
        playbook = ("--playbook", str(PLAYBOOKS / "patch.yml"), "--vars", self.path("reach.json"), "--every", "1")
        return [self._renkei, "wave", "run", wave, "--json", *files, *places, *playbook, *inventory]

    def renkei(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the kit."""
        return subprocess.run([self._renkei, *words], capture_output=True, text=True, check=False)

    def environment(self) -> Mapping[str, str]:
        """The environment that Ansible needs to read the bench's inventory."""
        return {**os.environ, "ANSIBLE_INVENTORY_ENABLED": "renkei,yaml", "NO_PROXY": "*"}

    def state(self, wave: str) -> WaveState:
        """Where a wave stands."""
        with open_ledger(self.path("waves.db")) as ledger:
            return load(ledger, wave)

    def acts(self, wave: str) -> list[Act]:
        """What happened in a wave."""
        with open_ledger(self.path("waves.db")) as ledger:
            return ledger.acts(wave)

    def path(self, name: str) -> str:
        """A file's path."""
        return str(self.folder / name)

    @property
    def _renkei(self) -> str:
        return str(Path(sys.executable).with_name("renkei"))

    def _put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
