"""A country that speaks of its updates: a root, an authority, machines of one key, and every standing there is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    certificate_to_pem,
    issue_authority,
    issue_client,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.documents import Signer, peek
from renkei.exchange.parties import AUTHORITY, Party
from renkei.exchange.patterns import PatternState
from renkei.exchange.sealing import public_point
from renkei.exchange.update_problems import say
from renkei.exchange.updates import Catalogue, PatchState, Update
from renkei.fleet.endpoints import Link
from renkei.fleet.model import Fleet
from renkei.store.patch_states import Evidence, Kept, PatchStates

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
BEGIN = NOW - timedelta(days=90)
DAY = timedelta(days=1)
OLD, BEFORE, NEW = "26100.4000", "26100.4061", "26100.4202"
FIRST_KB, NEXT_KB = "KB5058411", "KB5060842"
FULL = say("disk-full", free=812, needed=10240)


def update(kb: str, build: str, urgency: str = "routine") -> Update:
    return Update.model_validate(
        {"kb": kb, "build": build, "file": f"{kb}.msu", "sha256": "ab" * 32, "size": 700_000_000, "urgency": urgency,
         "requires": []}
    )  # fmt: skip


def catalogues() -> list[Catalogue]:
    """One of 40 days ago; a newer one of ten days ago that names the first one's update again, and a second."""
    first, second = update(FIRST_KB, BEFORE), update(NEXT_KB, NEW)
    return [
        Catalogue(number=7, issued_at=NOW - 40 * DAY, updates=[first]),
        Catalogue(number=8, issued_at=NOW - 10 * DAY, updates=[first, second]),
    ]


def said(endpoint: str, terminal: str, at: datetime, **changes: Any) -> PatchState:
    values: dict[str, Any] = {
        "endpoint": Party(endpoint),
        "terminal": terminal,
        "answers": None,
        "stage": "checked",
        "build": NEW,
        "installed": [FIRST_KB, NEXT_KB],
        "missing": [],
        "catalogue": 8,
        "exchanged_at": at,
        "problem": None,
        "checked_at": at,
        "patterns": PatternState(version="1.441.312.0", made_at=at - timedelta(hours=2)),
    }
    values |= changes
    if values["stage"] != "checked" and values["answers"] is None:
        values["answers"] = "0b5f4c1e-3c2b-4b1e-9a55-0c8b8d1f7a10"
    return PatchState.model_validate(values)


def kept(state: PatchState, digest: str = "ab" * 32) -> Kept:
    return Kept(
        state.endpoint, state.terminal, state.stage, int(state.checked_at.timestamp()), state.build, state.catalogue,
        tuple(state.installed), tuple(state.missing), state.problem, digest,
        state.patterns.version if state.patterns else None,
        int(state.patterns.made_at.timestamp()) if state.patterns else None,
    )  # fmt: skip


@dataclass
class Ministry:
    """A root, its issuing CA, the authority, and machines as they are enrolled."""

    root: Authority = field(default_factory=lambda: make_root("test root", make_key(), BEGIN, 7300))
    key: ec.EllipticCurvePrivateKey = field(default_factory=make_key)
    machines: dict[tuple[str, str], DirectoryEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        key = make_key()
        request = make_authority_request(key, "test issuing")
        self.issuing = Authority(issue_authority(request, self.root, BEGIN, 1825), key)
        self.signer = Signer(self.key)
        self._point = public_point(make_key().public_key())

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(certificate_to_pem(self.root.certificate))

    def entry(self, party: str, terminal: str) -> DirectoryEntry:
        """All machines have one key: they differ by their certificates, which is what is looked at."""
        if (party, terminal) not in self.machines:
            name = Party(party)
            certificate = issue_client(make_request(self.key, name, terminal), name, terminal, self.issuing, BEGIN)
            entry = bind(certificate, self._point, 1, self.issuing, BEGIN, BEGIN + 398 * DAY)
            self.machines[party, terminal] = entry
        return self.machines[party, terminal]

    def certificate(self, party: str, terminal: str) -> x509.Certificate:
        """A machine's certificate."""
        return certificate_from_pem(self.entry(party, terminal).certificate)

    def evidence(self, state: PatchState) -> tuple[Evidence, str]:
        """A patch state as the store gets it, verified by nobody."""
        entry, envelope = self.entry(state.endpoint, state.terminal).to_json(), state.sign(self.signer)
        found = kept(state, peek(envelope).payload_sha256)
        return Evidence(found, envelope, entry), sha256(entry).hexdigest()

    def put(self, folder: Path, state: PatchState, name: str = "") -> Path:
        """A patch state as a file, as it comes from a terminal."""
        entry = self.entry(state.endpoint, state.terminal)
        return _put(folder / f"{name or state.terminal}.json", entry, state.sign(self.signer))

    def put_catalogues(self, folder: Path) -> list[Path]:
        """The signed catalogues as files."""
        entry = self.entry(AUTHORITY, "authority")
        return [_put(folder / f"catalogue-{each.number}.json", entry, each.sign(self.signer)) for each in catalogues()]


def _put(file: Path, entry: DirectoryEntry, envelope: bytes) -> Path:
    file.write_text(json.dumps({"entry": entry.model_dump(), "envelope": envelope.decode()}), encoding="utf-8")
    return file


def history(fleet: Fleet, days: int = 28) -> Iterator[PatchState]:
    """What the machines of a fleet said, day by day: most install the second update by its ring; some are in trouble.

    Machine number n of 97: 41 is late with the first update, its disk full; 7 waits for its restart, 13 is silent, 29
    never spoke, 53 has old antivirus patterns, 61's antivirus has stopped.
    """
    rings = {ring: place for place, ring in enumerate(fleet.settings.rings)}
    places = [(site.endpoint, site.terminal) for site in fleet.sites.values() if site.endpoint and site.terminal]
    for number, (endpoint, terminal) in enumerate(places):
        kind, code, name = number % 97, endpoint.code.value, terminal.asset_number
        for back in range(days, -1, -1):
            at = NOW - back * DAY - timedelta(minutes=number % 300)
            if kind == 29 or (kind == 13 and back < 20) or (endpoint.link is Link.MEDIA and back % 7 != 2):
                continue
            begun = back <= 9 - 2 * rings[endpoint.ring] - number % 3
            change: dict[str, Any] = {"build": BEFORE, "installed": [FIRST_KB], "missing": [NEXT_KB]}
            change["catalogue"] = 8 if back < 10 else 7
            patterns: PatternState | None = PatternState(
                version=f"1.441.{300 - back}.0", made_at=at - timedelta(hours=5)
            )
            if kind == 53:  # its line brings none any more
                patterns = PatternState(version="1.430.7.0", made_at=NOW - 9 * DAY)
            if kind == 61 and back < 12:
                patterns = None
            if back >= 10:
                change["missing"] = []
            if kind == 41:
                change |= {"build": OLD, "installed": [], "missing": [FIRST_KB], "problem": FULL}
            elif begun and kind == 7:
                change |= {"stage": "restarting", "missing": [], "installed": [FIRST_KB, NEXT_KB]}
            elif begun:
                change = {}
            yield said(code, name, at, **change, patterns=patterns)


def fill(states: PatchStates, ministry: Ministry, fleet: Fleet, days: int = 28) -> None:
    """Keep a history; only the newest words need a signature that holds, as nobody looks at the others'."""
    batch = []
    newest = {(each.endpoint, each.terminal): each.checked_at for each in history(fleet, days)}
    for number, state in enumerate(history(fleet, days)):
        entry = ministry.entry(state.endpoint, state.terminal).to_json()
        if state.checked_at == newest[state.endpoint, state.terminal]:
            batch.append(ministry.evidence(state))
        else:
            digest = f"{number:064x}"
            batch.append((Evidence(kept(state, digest), b"{}", entry), sha256(entry).hexdigest()))
    states.keep(batch)
