"""A desk of ministry IT: the authority's key and entry, what look.yml found on hosts, and the commands."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from renkei.exchange.certificates import certificate_to_pem, key_to_pem
from renkei.exchange.packages import Device, Package
from renkei.exchange.parties import AUTHORITY
from renkei.fleet.hosts.found import Found

from .scenes import Ministry


def package(name: str, version: str, urgency: str = "routine") -> Package:
    values = {"name": name, "version": version, "architecture": "amd64", "sha256": "ab" * 32, "size": 1000}
    return Package.model_validate({**values, "urgency": urgency})


class Desk:
    """A folder with all of it."""

    def __init__(self, folder: Path) -> None:
        self.ministry, self.folder = Ministry(), folder
        self.found, self.seen = folder / "found", folder / "seen"
        self.found.mkdir()
        (folder / "key.pem").write_text(key_to_pem(self.ministry.key))
        (folder / "entry.json").write_bytes(self.ministry.entry(AUTHORITY, "authority").to_json())
        (folder / "root.pem").write_text(certificate_to_pem(self.ministry.root.certificate))
        self.signing = ["--key", str(folder / "key.pem"), "--entry", str(folder / "entry.json")]
        self.root = ["--trust-anchor", str(folder / "root.pem")]

    def put(
        self,
        host: str,
        version: str = "12.15",
        *offered: Package,
        packages: tuple[str, ...] = ("bash=5.2-2",),
        at: timedelta = timedelta(),
    ) -> None:
        device = Device(model="debian-12", version=version)
        found = Found(
            host=host,
            seen_at=datetime.now(UTC).replace(microsecond=0) + at,
            architecture="amd64",
            device=device,
            packages=list(packages),
            restart=False,
            offered=list(offered),
        )
        (self.found / f"{host}.json").write_text(found.model_dump_json())

    def run(self, app: Any, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result
