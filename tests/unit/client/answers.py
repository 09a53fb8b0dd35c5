"""Answers of a hub, as its client gets them."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Acceptance, Receipt

SIGNER = Signer(make_key())
AT = datetime(2026, 11, 26, tzinfo=UTC)
RECEIPT = Receipt(
    id=uuid4(),
    sender=Party("131041"),
    recipient=MINISTRY,
    stream="notices",
    sequence=1,
    content_sha256="ab" * 32,
    received_at=AT,
).sign(SIGNER)
ACCEPTANCE = Acceptance(
    id=uuid4(), sender=MINISTRY, manifest_sha256="cd" * 32, accepted_at=AT, journal_index=3, epoch=1
).sign(SIGNER)
ENTRY = {"binding": RECEIPT.decode(), "certificate": "x", "issuer": "y"}
STATE = {"epoch": 1, "entry": ENTRY, "tree_head": "{}", "time": "2026-11-26T00:00:00Z"}


def answer(status: int, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)
