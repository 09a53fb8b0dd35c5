"""A small world with a real root, issuing CA and machines, and notices to send."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st

from renkei.domain.notices import MID_TO_LONG, ResidenceNotice, StatusNotice
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_client,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.documents import Signer
from renkei.exchange.parties import HUB, MINISTRY, Party
from renkei.exchange.sealing import public_point

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LIFETIME = timedelta(days=398)


@dataclass(frozen=True)
class Machine:
    key: ec.EllipticCurvePrivateKey
    receiving: ec.EllipticCurvePrivateKey
    entry: DirectoryEntry
    verified: VerifiedParty

    @property
    def signer(self) -> Signer:
        return Signer(self.key)


def make_issuing(root: Authority, name: str = "renkei issuing") -> Authority:
    key = make_key()
    return Authority(issue_authority(make_authority_request(key, name), root, NOW, 1825), key)


@dataclass(frozen=True)
class World:
    root: Authority = field(default_factory=lambda: make_root("renkei root", make_key(), NOW, 7300))
    now: datetime = NOW

    def __post_init__(self) -> None:
        object.__setattr__(self, "issuing", make_issuing(self.root))
        object.__setattr__(self, "anchor", TrustAnchor(certificate_to_pem(self.root.certificate)))

    issuing: Authority = field(init=False)
    anchor: TrustAnchor = field(init=False)

    def enrol(self, party: Party, terminal: str = "T-0001", generation: int = 1) -> Machine:
        key, receiving = make_key(), make_key()
        certificate = issue_client(make_request(key, party, terminal), party, terminal, self.issuing, NOW)
        point = public_point(receiving.public_key())
        entry = bind(certificate, point, generation, self.issuing, NOW, NOW + LIFETIME)
        return Machine(key, receiving, entry, self.anchor.verify_entry(entry, NOW, party))


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def foreign_world() -> World:
    """The same names under another root: what an attacker can make for himself."""
    return World()


@pytest.fixture(scope="session")
def shinjuku(world: World) -> Machine:
    return world.enrol(Party("131041"), "T-0001")


@pytest.fixture(scope="session")
def sapporo(world: World) -> Machine:
    return world.enrol(Party("011011"), "T-0002")


@pytest.fixture(scope="session")
def ministry(world: World) -> Machine:
    return world.enrol(MINISTRY, "linkage")


@pytest.fixture(scope="session")
def hub(world: World) -> Machine:
    return world.enrol(HUB, "asp-hub")


def residence_notice(**changes: Any) -> ResidenceNotice:
    values: dict[str, Any] = {
        "number": "131041-20261123-0001",
        "municipality": "131041",
        "basis": "住基法22条",
        "filed_on": date(2026, 11, 20),
        "name": "NGUYEN VAN AN",
        "birth_date": "1995-04-12",
        "sex": "男",
        "nationality": "ベトナム",
        "address": "東京都新宿区歌舞伎町一丁目4番1号",
        "card_number": "AB12345678CD",
        "moved_on": date(2026, 11, 18),
        "previous_address": "北海道札幌市中央区北1条西2丁目",
    }
    return ResidenceNotice(**{**values, **changes})


def status_notice(**changes: Any) -> StatusNotice:
    values: dict[str, Any] = {
        "number": "M-1",
        "municipality": "131041",
        "notified_on": date(2026, 11, 20),
        "cause": "変更",
        "changed_items": "在留期間、在留期間の満了の日、在留カード番号",
        "changed_on": date(2026, 11, 19),
        "category": MID_TO_LONG,
        "name": "NGUYEN VAN AN",
        "birth_date": "1995-04-12",
        "sex": "男",
        "nationality": "ベトナム",
        "status": "留学",
        "period": "1年",
        "expires_on": date(2027, 11, 19),
        "card_number": "AB12345678CD",
    }
    return StatusNotice(**{**values, **changes})


@pytest.fixture(scope="session")
def a_residence_notice() -> Callable[..., ResidenceNotice]:
    return residence_notice


@pytest.fixture(scope="session")
def a_status_notice() -> Callable[..., StatusNotice]:
    return status_notice


@pytest.fixture(scope="session")
def residence_notices() -> st.SearchStrategy[list[ResidenceNotice]]:
    """Notices that differ in what varies most: names in rare kanji, addresses, days, unknown days of birth."""
    text = st.text("漢字渡邉𠮷髙丁目番号マンション・ーAZ09", min_size=1, max_size=40)
    one = st.builds(
        residence_notice,
        number=st.from_regex(r"[0-9][0-9A-Z]{0,30}", fullmatch=True),
        name=st.from_regex(r"[A-Z]([A-Z ',.-]{0,60}[A-Z])?", fullmatch=True),
        kanji_name=st.none() | text,
        birth_date=st.sampled_from(["1990-01-31", "1960-00-00", "1975-06-00"]),
        address=text,
        filed_on=st.dates(date(2026, 11, 18), date(2030, 1, 1)),
        sex=st.sampled_from(["男", "女"]),
    )
    return st.lists(one, min_size=1, max_size=20)
