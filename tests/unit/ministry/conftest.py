"""A ministry with a real root, issuing CA and ledger, made once and copied for each test."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.certificates import certificate_to_pem, make_key, make_request
from renkei.exchange.parties import Party
from renkei.ministry.issuance import Applicant
from renkei.ministry.issuing import IssuingCA
from renkei.ministry.ledger import Ledger
from renkei.ministry.root import OfflineRoot

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Ministry:
    root: OfflineRoot
    root_pem: Path
    issuing: IssuingCA
    state: Path

    def ledger(self) -> Ledger:
        return Ledger(self.state / "codes.db")

    def anchor(self) -> TrustAnchor:
        return TrustAnchor(self.root_pem.read_text())


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


def make_machine(party: str = "131041", terminal: str = "T-131041-01") -> Machine:
    return Machine(Party(party), terminal, make_key(), make_key())


@pytest.fixture(name="machine")
def machine_fixture():
    return make_machine


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ministry")
    root = OfflineRoot(folder / "root")
    root.init("test root", NOW)
    issuing = IssuingCA(folder / "issuing", folder / "root/root.pem")
    issuing.init("test issuing")
    issuing.install(certificate_to_pem(root.sign_issuing(issuing.request.read_text(), NOW).certificate), NOW)
    return folder


@pytest.fixture
def ministry(template, tmp_path):
    folder = tmp_path / "ministry"
    shutil.copytree(template, folder)
    root_pem = folder / "root/root.pem"
    return Ministry(OfflineRoot(folder / "root"), root_pem, IssuingCA(folder / "issuing", root_pem), folder)


@pytest.fixture
def ledger(ministry):
    with ministry.ledger() as ledger:
        yield ledger


@pytest.fixture
def authority(ministry):
    return ministry.issuing.open(NOW)


@pytest.fixture
def now():
    return NOW
