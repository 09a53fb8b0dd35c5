"""The list of revoked certificates, as the hub takes it from the authority and hands it on."""

import json
from datetime import timedelta
from typing import Any

from renkei.exchange.certificates import Authority, make_key
from renkei.exchange.crl import read_crl, sign_crl


def listing(pki: Any, bench: Any, number: int, issuing: Authority | None = None) -> bytes:
    return sign_crl([(number, bench.time)], issuing or pki.issuing, bench.time, 3, number).encode()


def told(speaker: Any) -> int | None:
    number: int | None = speaker.get("/v1/hub").json()["crl"]
    return number


def test_every_party_gets_the_list_as_the_authority_gave_it(
    bench: Any, pki: Any, refused: Any, authority: Any, shinjuku: Any
) -> None:
    assert told(shinjuku) is None
    refused(shinjuku.get("/v1/crl"), 404, "not-found")
    given = listing(pki, bench, 5)
    assert authority.put("/v1/crl", given).status_code == 201
    assert told(shinjuku) == 5
    assert shinjuku.get("/v1/crl").content == given


def test_an_older_list_changes_nothing(bench: Any, pki: Any, authority: Any, shinjuku: Any) -> None:
    for number, status in ((5, 201), (5, 200), (4, 200), (6, 201), (5, 200)):
        assert authority.put("/v1/crl", listing(pki, bench, number)).status_code == status
    assert read_crl(shinjuku.get("/v1/crl").text).number == told(shinjuku) == 6


def test_only_the_authority_hands_one_in_and_only_an_issuing_ca_signs_it(
    bench: Any, pki: Any, other_pki: Any, refused: Any, authority: Any, ministry: Any, shinjuku: Any
) -> None:
    for speaker in (ministry, shinjuku):
        refused(speaker.put("/v1/crl", listing(pki, bench, 5)), 403, "not-entitled")
    forgeries = [
        listing(pki, bench, 5, other_pki.issuing),
        listing(pki, bench, 5, Authority(pki.issuing.certificate, make_key())),
        b"-----BEGIN X509 CRL-----",
        b"",
    ]
    for forged in forgeries:
        refused(authority.put("/v1/crl", forged), 400, "document")
    refused(authority.put("/v1/crl", b"x" * (256 * 1024 + 1)), 413, "too-large")
    assert told(shinjuku) is None


def test_a_list_of_the_future_is_refused(bench: Any, pki: Any, refused: Any, authority: Any) -> None:
    ahead = sign_crl([], pki.issuing, bench.time + timedelta(hours=1), 3, 9).encode()
    assert "clocks" in refused(authority.put("/v1/crl", ahead), 400, "document")["detail"]


def test_each_new_list_is_in_the_journal(bench: Any, pki: Any, authority: Any) -> None:
    for number in (5, 5, 6):
        authority.put("/v1/crl", listing(pki, bench, number))
    size = bench.run(bench.hub.store.tree()).size
    entries = [json.loads(each) for each in bench.run(bench.hub.store.journal_entries(0, size))]
    assert [entry["party"] for entry in entries if entry["act"] == "crl"] == ["authority", "authority"]
