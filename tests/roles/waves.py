"""Ministry IT with its keys and its ledger, bringing a wave to Linux hosts of the scenarios' lab."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from renkei.exchange.certificates import certificate_to_pem, key_to_pem, make_key, make_root
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer, payload_sha256
from renkei.exchange.packages import Package, PackageSet
from renkei.fleet.loader import load_fleet
from renkei.fleet.waves.consents import plan_consent
from renkei.fleet.waves.engine import load
from renkei.fleet.waves.linux import LinuxWish, plan_linux
from renkei.fleet.waves.state import WaveState
from renkei.store.waves.ledger import Act, open_ledger
from roles.environment import FLEET, ROOT


class Controller:
    """Files of ministry IT in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make keys."""
        self._folder = folder
        people = {name: make_key() for name in ("sato", "suzuki")}
        self._planner, self._authority = Signer(people["sato"]), make_key()
        root = make_root("root of the waves", make_key(), datetime.now(UTC) - timedelta(hours=1), 30)
        pems = {
            name: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            for name, key in people.items()
        }
        files = {
            "root.pem": certificate_to_pem(root.certificate),
            "authority.key": key_to_pem(self._authority),
            "suzuki.key": key_to_pem(people["suzuki"]),
            "people.json": json.dumps(pems),
        }
        for name, text in files.items():
            (folder / name).write_text(text)

    def plan(self, hosts: set[str], packages: list[Package]) -> str:
        """Plan a wave over hosts whose windows are open, have somebody else approve it; give its id."""
        now = datetime.now(UTC)
        wanted = PackageSet(number=1, issued_at=whole_seconds(now), hosts=len(hosts), packages=packages)
        made = plan_linux(
            LinuxWish("sato", hosts),
            load_fleet(FLEET / "fleet.yml"),
            (wanted, payload_sha256(wanted.sign(Signer(self._authority)))),
            lambda _site, _start, _until: [(now - timedelta(hours=1), now + timedelta(hours=4))],
            uuid4(),
            now,
        )
        with open_ledger(self._path("waves.db")) as ledger:
            consent = plan_consent(made, self._planner, now)
            ledger.plan(str(made.id), made.to_bytes(), int(now.timestamp()), consent)
        self._renkei("approve", str(made.id), "--as", "suzuki", "--key", self._path("suzuki.key"))
        return str(made.id)

    def run(self, wave: str, **variables: int) -> None:
        """Run a wave to its end, with extra variables for its plays."""
        Path(self._path("variables.json")).write_text(json.dumps({"patch_jitter_seconds": 0, **variables}))
        ways = ("--playbook", ROOT / "ansible" / "playbooks" / "patch.yml", "--inventory", FLEET / "fleet.yml")
        files = ("--key", self._path("authority.key"), "--trust-anchor", self._path("root.pem"), "--every", "1")
        more = ("--runs", self._path("runs"), "--vars", self._path("variables.json"))
        self._renkei("run", wave, *map(str, ways), *files, *more)

    def state(self, wave: str) -> tuple[WaveState, list[Act]]:
        """Where a wave stands, and what happened in it."""
        with open_ledger(self._path("waves.db")) as ledger:
            return load(ledger, wave), ledger.acts(wave)

    def _renkei(self, *words: str) -> None:
        common = ("--people", self._path("people.json"), "--ledger", self._path("waves.db"))
        command = [str(Path(sys.executable).with_name("renkei")), "wave", *words, *common]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _path(self, name: str) -> str:
        return str(self._folder / name)
