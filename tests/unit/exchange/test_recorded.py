"""What was sent once can be read for ever: recorded parcels of every version, and each version still written."""

import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from renkei.domain import notices as models
from renkei.domain.notices import TYPES, Notice
from renkei.exchange import encoding
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty
from renkei.exchange.certificates import key_from_pem
from renkei.exchange.compact import FORM, pack, unpack
from renkei.exchange.documents import Signer
from renkei.exchange.parcels import SALT, Dispatch, OpenedParcel, build_parcel, open_parcel
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Manifest
from renkei.exchange.sealing import unseal

RECORDED = Path(__file__).parent / "recorded"
KEYS = json.loads((RECORDED / "keys.json").read_text(encoding="utf-8"))
AT = datetime.fromisoformat(KEYS["at"])
FILES = sorted(RECORDED.glob("encoding-*.json"))


def load(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def verified(party: str) -> VerifiedParty:
    entry = DirectoryEntry.read(KEYS["parties"][party]["entry"])
    return TrustAnchor(KEYS["anchor"]).verify_entry(entry, AT, Party(party))


def opened(recorded: dict[str, Any], manifest: bytes) -> OpenedParcel:
    key = key_from_pem(KEYS["parties"][recorded["recipient"]]["receiving"])
    sealed = b64decode(recorded["sealed"])
    return open_parcel(manifest, sealed, verified(recorded["sender"]), Party(recorded["recipient"]), key)


def notices_of(recorded: dict[str, Any]) -> Sequence[Notice]:
    notice_type: type[Notice] = getattr(models, recorded["type"])
    found = [notice_type.parse(row) for row in recorded["notices"]]
    assert [findings for _, findings in found if findings] == []
    return [notice for notice, _ in found if notice is not None]


def version_and_type(path: Path) -> tuple[int, int]:
    _, version, _, number = path.stem.split("-")
    return int(version), int(number)


def test_every_version_and_every_type_that_it_carries_is_recorded() -> None:
    carried = {(2, number) for number in range(len(TYPES))} | {(1, 0), (1, 1)}
    assert {version_and_type(path) for path in FILES} == carried
    assert {version for version, _ in carried} == set(encoding.VERSIONS), "record each new version when it is published"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("form", ["manifest", "compact"])
def test_a_recorded_parcel_opens(path: Path, form: str) -> None:
    recorded = load(path)
    manifest = recorded["manifest"].encode() if form == "manifest" else unpack(b64decode(recorded["compact"]))
    parcel = opened(recorded, manifest)
    assert parcel.notices == notices_of(recorded)
    assert (parcel.manifest.layout, TYPES.index(type(parcel.notices[0]))) == version_and_type(path)
    assert parcel.ignored == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_compact_form_of_a_recorded_manifest_is_still_the_same(path: Path) -> None:
    recorded = load(path)
    compact = b64decode(recorded["compact"])
    assert compact.startswith(FORM)
    assert pack(recorded["manifest"].encode()) == compact
    assert unpack(compact) == recorded["manifest"].encode()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_version_is_still_written_as_it_was_read(path: Path) -> None:
    """A sender of today, for a recipient of then: what it writes opens, and unpacks to what was recorded."""
    recorded = load(path)
    version, _ = version_and_type(path)
    sender, recipient = recorded["sender"], recorded["recipient"]
    dispatch = Dispatch(uuid4(), Party(sender), notices_of(recorded)[0].STREAM, 1, "daily", AT)
    signer = Signer(key_from_pem(KEYS["parties"][sender]["signing"]))
    parcel = build_parcel(notices_of(recorded), dispatch, signer, verified(recipient), version)
    key = key_from_pem(KEYS["parties"][recipient]["receiving"])
    again = open_parcel(parcel.manifest_envelope, parcel.sealed, verified(sender), Party(recipient), key)
    assert again.notices == notices_of(recorded)
    manifest = Manifest.open(recorded["manifest"].encode(), verified(sender).signing_public_key)
    then = unseal(manifest.encapsulated_key, b64decode(recorded["sealed"]), key, manifest.sealing_info())[SALT:]
    assert encoding.version_of(then) == encoding.version_of(parcel.content[SALT:]) == version
    assert encoding.decode(then) == encoding.decode(parcel.content[SALT:])


def test_an_older_recipient_gets_what_it_reads_and_nothing_is_lost_on_the_way() -> None:
    """N and N-1: what the older version can't carry is refused before anything is built."""
    newest = notices_of(load(RECORDED / "encoding-2-type-0.json"))
    assert not all(encoding.carries(1, notice) for notice in newest)
    dispatch = Dispatch(uuid4(), Party("131041"), "notices", 1, "daily", AT)
    signer = Signer(key_from_pem(KEYS["parties"]["131041"]["signing"]))
    with pytest.raises(encoding.EncodingError, match="version 1 of the encoding has no item"):
        build_parcel(newest, dispatch, signer, verified("ministry"), 1)
