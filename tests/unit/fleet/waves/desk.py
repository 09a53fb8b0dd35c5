"""The files and keys of ministry IT, and its commands of waves and updates, at a time of the test's."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from renkei.cli import wave
from renkei.exchange.certificates import certificate_to_pem, key_to_pem, make_key
from renkei.exchange.documents import Signer
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.signed import Signed
from unit.exchange.conftest import NOW, World
from unit.fleet.conftest import INVENTORY
from unit.fleet.waves.plans import CATALOGUE, KB


class Clock(datetime):
    """What the commands take for now."""

    at = NOW + timedelta(hours=3)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.combine(cls.at.date(), cls.at.timetz()).astimezone(tz)


@dataclass
class Desk:
    """The files of ministry IT."""

    folder: Path
    world: World = field(default_factory=World)
    runner: CliRunner = field(default_factory=CliRunner)

    def __post_init__(self) -> None:
        self.authority = self.world.enrol(AUTHORITY, "moj-linkage")
        self.keys = {name: make_key() for name in ("sato", "suzuki", "stranger")}
        for name, key in {**self.keys, "authority": self.authority.key}.items():
            self.file(f"{name}.key").write_text(key_to_pem(key))
        self.file("root.pem").write_text(certificate_to_pem(self.world.root.certificate))
        self.file("entry.json").write_bytes(self.authority.entry.to_json())
        form = PublicFormat.SubjectPublicKeyInfo
        people = {
            name: self.keys[name].public_key().public_bytes(Encoding.PEM, form).decode() for name in ("sato", "suzuki")
        }
        self.file("people.json").write_text(json.dumps(people))

    def file(self, name: str) -> Path:
        return self.folder / name

    def run(self, app: Any, *words: str, code: int = 0) -> str:
        result = self.runner.invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.output

    def wave(self, *words: str, code: int = 0) -> str:
        return self.run(wave.app, *words, "--ledger", str(self.file("waves.db")), code=code)

    def sign_catalogue(self) -> None:
        """What `renkei updates sign` writes."""
        envelope = CATALOGUE.sign(Signer(self.authority.key))
        self.file("catalogue.json").write_bytes(Signed(self.authority.entry, envelope).to_json())

    @property
    def catalogue(self) -> str:
        return str(self.file("catalogue.json"))

    @property
    def anchor(self) -> tuple[str, str]:
        return "--trust-anchor", str(self.file("root.pem"))

    def plan(self, *words: str, code: int = 0, fleet: Path = INVENTORY / "lab") -> str:
        self.sign_catalogue()
        person = ("--as", "sato", "--key", str(self.file("sato.key")))
        what = ("--fleet", str(fleet), "--catalogue", self.catalogue)
        return self.wave("plan", "--kb", KB, *person, *what, *self.anchor, *words, code=code)

    def planned(self) -> str:
        return str(json.loads(self.plan("--json"))["wave"])

    def approve(self, number: str, person: str, key: str, code: int = 0) -> str:
        who = ("--as", person, "--key", str(self.file(f"{key}.key")), "--people", str(self.file("people.json")))
        return self.wave("approve", number, *who, code=code)

    def go(self, number: str, *words: str, code: int = 0) -> str:
        files = ("--key", str(self.file("authority.key")), "--people", str(self.file("people.json")))
        return self.wave("run", number, "--post", str(self.file("post")), *files, *self.anchor, *words, code=code)
