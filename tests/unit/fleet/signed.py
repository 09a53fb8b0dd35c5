"""A catalogue of updates that a real authority signed, in a file, and the root that it is believed by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from renkei.exchange.bindings import bind
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
from renkei.exchange.parties import AUTHORITY, Party
from renkei.exchange.sealing import public_point
from renkei.exchange.updates import Catalogue, Update


@dataclass(frozen=True)
class SignedCatalogue:
    """Where both lie."""

    file: Path
    root: Path


def sign(
    folder: Path, requires: Mapping[str, list[str]], now: datetime, signer: Party = AUTHORITY, name: str = "catalogue"
) -> SignedCatalogue:
    """Sign a catalogue of these articles and what each requires."""
    begin = now - timedelta(hours=1)
    root, key, own = make_root("test root", make_key(), begin, 30), make_key(), make_key()
    issuing = Authority(issue_authority(make_authority_request(key, "test issuing"), root, begin, 20), key)
    certificate = issue_client(make_request(own, signer, "test"), signer, "test", issuing, begin, 10)
    entry = bind(certificate, public_point(make_key().public_key()), 1, issuing, begin, begin + timedelta(days=10))
    updates = [
        Update(
            kb=kb,
            build=f"26100.{4000 + number}",
            file=f"{kb}.msu",
            sha256="ab" * 32,
            size=1,
            urgency="routine",
            requires=before,
        )
        for number, (kb, before) in enumerate(requires.items())
    ]
    envelope = Catalogue(number=1, issued_at=begin.replace(microsecond=0), updates=updates).sign(Signer(own))
    file, anchor = folder / f"{name}.json", folder / f"{name}-root.pem"
    file.write_text(json.dumps({"entry": entry.model_dump(), "envelope": envelope.decode()}))
    anchor.write_text(certificate_to_pem(root.certificate))
    return SignedCatalogue(file, anchor)
