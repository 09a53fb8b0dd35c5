"""Record parcels of every version of the encoding, to be read for ever: tests/unit/exchange/recorded/.

    .venv/bin/python tools/generate/recorded.py

One file a version and notice type: the manifest (its JSON and its compact form), the sealed content, and the notices
as text. The keys beside them were made for this and vouch for nothing else; nobody in the notices exists. What is
recorded is never written again: a new version or type adds files, and who runs this twice changes nothing.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from renkei.domain.notices import TYPES, CardIssueNotice, ImportResult, Inquiry, Notice, RegisterNotice
from renkei.exchange import encoding
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_client,
    key_from_pem,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.compact import pack
from renkei.exchange.documents import Signer
from renkei.exchange.parcels import Dispatch, build_parcel
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.sealing import public_point
from renkei.ministry.simulator import residence_notices, status_notices

TARGET = Path(__file__).resolve().parents[2] / "tests" / "unit" / "exchange" / "recorded"
KEYS = TARGET / "keys.json"
AT = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 26)
ENDPOINT, PLACE = Party("131041"), "東京都新宿区"
SEED = 5
LIFETIME = timedelta(days=398)


def main() -> None:
    """Record what isn't recorded yet."""
    TARGET.mkdir(exist_ok=True)
    if not KEYS.exists():
        KEYS.write_text(_text(_make_keys()), encoding="utf-8")
    keys = json.loads(KEYS.read_text(encoding="utf-8"))
    for version in encoding.VERSIONS:
        for number, notice_type in enumerate(TYPES):
            path = TARGET / f"encoding-{version}-type-{number}.json"
            notices = _notices(notice_type, originals=version > encoding.FIRST)
            if not path.exists() and all(encoding.carries(version, notice) for notice in notices):
                path.write_text(_text(_record(version, notices, keys)), encoding="utf-8")


def _make_keys() -> dict[str, Any]:
    root = make_root("recorded root", make_key(), AT, 7300)
    issuing_key = make_key()
    request = make_authority_request(issuing_key, "recorded issuing")
    issuing = Authority(issue_authority(request, root, AT, 1825), issuing_key)
    parties = {}
    for party, terminal in ((ENDPOINT, "T-0001"), (MINISTRY, "linkage")):
        signing, receiving = make_key(), make_key()
        certificate = issue_client(make_request(signing, party, terminal), party, terminal, issuing, AT)
        entry = bind(certificate, public_point(receiving.public_key()), 1, issuing, AT, AT + LIFETIME)
        parties[str(party)] = {
            "entry": entry.model_dump(),
            "signing": key_to_pem(signing),
            "receiving": key_to_pem(receiving),
        }
    return {"at": AT.isoformat(), "anchor": certificate_to_pem(root.certificate), "parties": parties}


def _record(version: int, notices: Sequence[Notice], keys: dict[str, Any]) -> dict[str, Any]:
    to_ministry = notices[0].TO_MINISTRY
    sender, recipient = (ENDPOINT, MINISTRY) if to_ministry else (MINISTRY, ENDPOINT)
    signer = Signer(key_from_pem(keys["parties"][sender]["signing"]))
    anchor = TrustAnchor(keys["anchor"])
    verified = anchor.verify_entry(DirectoryEntry.read(keys["parties"][recipient]["entry"]), AT, recipient)
    dispatch = Dispatch(uuid4(), sender, notices[0].STREAM, 1, "daily", AT)
    parcel = build_parcel(notices, dispatch, signer, verified, version)
    return {
        "type": type(notices[0]).__name__,
        "sender": sender,
        "recipient": recipient,
        "manifest": parcel.manifest_envelope.decode(),
        "compact": b64encode(pack(parcel.manifest_envelope)).decode(),
        "sealed": b64encode(parcel.sealed).decode(),
        "notices": [notice.to_row() for notice in notices],
    }


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _notices(notice_type: type[Notice], *, originals: bool) -> Sequence[Notice]:
    """A few notices of a type; with the optional items of layout 2 if asked for."""
    filed = residence_notices(ENDPOINT, 12, SEED, TODAY, PLACE, originals=originals)
    told = status_notices([ENDPOINT], 12, SEED, TODAY, originals=originals)
    if originals:
        filed[1] = replace(filed[1], corrects=filed[0].number, birth_date="1960-00-00")
        told[1] = replace(told[1], corrects=told[0].number)
    envelope = {"municipality": str(ENDPOINT)}
    made: dict[str, Sequence[Notice]] = {
        "ResidenceNotice": filed,
        "StatusNotice": told,
        "RegisterNotice": [
            RegisterNotice(
                number=f"T-{number}",
                municipality=ENDPOINT,
                action="修正" if notice.previous_address else "記載",
                cause="転居" if notice.previous_address else "国外転入",
                processed_on=notice.filed_on,
                category="中長期在留者",
                name=notice.name,
                kanji_name=notice.kanji_name,
                kanji_original=notice.kanji_original,
                birth_date=notice.birth_date,
                sex=notice.sex,
                nationality=notice.nationality,
                address=notice.address,
                card_number=notice.card_number,
                changed_items="氏名、住所" if notice.previous_address else None,
                previous_address=notice.previous_address,
                basis="住基法23条" if notice.previous_address else "住基法30条の46",
                filed_on=notice.filed_on,
            )
            for number, notice in enumerate(filed)
        ],
        "CardIssueNotice": [
            CardIssueNotice(number=f"C-{number}", **envelope, issued_on=TODAY, card_number=notice.card_number)
            for number, notice in enumerate(filed)
        ],
        "ImportResult": [
            ImportResult(number="E-1", **envelope, target=filed[0].number, result="取込済", processed_on=TODAY),
            ImportResult(
                number="E-2",
                **envelope,
                target=filed[1].number,
                result="エラー",
                error_item="氏名",
                reason="該当する人がいません。",
                processed_on=TODAY,
            ),
        ],
        "Inquiry": [Inquiry(number="Q-1", **envelope, kind="状態照会", target=filed[0].number)],
    }
    return made[notice_type.__name__]


if __name__ == "__main__":
    main()
