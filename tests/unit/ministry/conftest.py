"""A ministry with a real root, issuing CA and ledger: made once, copied for each test."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.certificates import Authority, certificate_to_pem, make_key, make_request
from renkei.exchange.parties import Party
from renkei.ministry.issuance import Applicant, issue_binding
from renkei.ministry.issuing import IssuingCA
from renkei.ministry.ledger import Issued, Ledger
from renkei.ministry.root import OfflineRoot

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Machine:
    """A machine that asks for a binding, with its private keys."""

    party: Party
    terminal: str
    signing: ec.EllipticCurvePrivateKey
    receiving: ec.EllipticCurvePrivateKey

    @property
    def point(self) -> bytes:
        form = serialization.PublicFormat.UncompressedPoint
        return self.receiving.public_key().public_bytes(serialization.Encoding.X962, form)

    def applicant(self) -> Applicant:
        return Applicant(self.party, self.terminal, make_request(self.signing, self.party, self.terminal), self.point)


@dataclass(frozen=True)
class Ministry:
    root: OfflineRoot
    root_pem: Path
    issuing: IssuingCA
    state: Path
    ledger: Ledger

    @property
    def authority(self) -> Authority:
        return self.issuing.open(NOW)

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(self.root_pem.read_text())

    @staticmethod
    def machine(party: str = "131041", terminal: str = "T-131041-01") -> Machine:
        return Machine(Party(party), terminal, make_key(), make_key())

    @staticmethod
    def ledger_of(folder: Path) -> Ledger:
        return Ledger(folder / "codes.db")

    def issue(self, applicant: Applicant, at: datetime = NOW) -> Issued:
        return self.ledger.write(lambda records: issue_binding(records, applicant, self.authority, at))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ministry")
    root = OfflineRoot(folder / "root")
    root.init("test root", NOW)
    issuing = IssuingCA(folder / "issuing", folder / "root/root.pem")
    issuing.init("test issuing")
    issuing.install(certificate_to_pem(root.sign_issuing(issuing.request.read_text(), NOW).certificate), NOW)
    return folder


@pytest.fixture
def ministry(template: Path, tmp_path: Path) -> Iterator[Ministry]:
    folder = tmp_path / "ministry"
    shutil.copytree(template, folder)
    root_pem = folder / "root/root.pem"
    with Ministry.ledger_of(folder) as ledger:
        yield Ministry(OfflineRoot(folder / "root"), root_pem, IssuingCA(folder / "issuing", root_pem), folder, ledger)


@pytest.fixture
def now() -> datetime:
    return NOW
