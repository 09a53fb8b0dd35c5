"""A trust anchor of several roots: who is trusted, from when, until when, and by whose word."""

import subprocess
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    Authority,
    CertificateError,
    certificate_to_pem,
    cross_sign,
    issue_authority,
    issue_server,
    make_authority_request,
    make_key,
    make_root,
    make_server_request,
)
from renkei.exchange.chain import Chain
from renkei.exchange.clock import parse_time

START = parse_time("2026-11-26T00:00:00Z")
BOTH = 730


def root(name: str = "renkei root", days: int = 7300) -> Authority:
    return make_root(name, make_key(), START, days)


def issuing(under: Authority) -> Authority:
    key = make_key()
    return Authority(issue_authority(make_authority_request(key, "issuing"), under, START, 1825), key)


OLD, NEW, THIRD, STRANGER = root(), root(), root(), root()
CROSS = cross_sign(NEW.certificate, OLD, START, BOTH)
BEFORE = Anchors((OLD.certificate,))
OFFER = Anchors((OLD.certificate, NEW.certificate), (CROSS,))


def test_who_trusts_the_old_root_trusts_its_successor_and_both_for_a_stated_time() -> None:
    after = BEFORE.succeed(OFFER, START)
    assert set(after.trusted(START)) == {OLD.certificate, NEW.certificate}
    chain = Chain(after)
    for authority in (OLD, NEW):
        chain.verify_issuing(issuing(authority).certificate, START)
    later = START + timedelta(days=BOTH, seconds=1)
    assert after.trusted(later) == [NEW.certificate]
    with pytest.raises(CertificateError, match="not valid at"):
        chain.verify_issuing(issuing(OLD).certificate, later)
    chain.verify_issuing(issuing(NEW).certificate, later)


def test_a_second_change_of_roots_is_followed_from_the_first_root() -> None:
    second = cross_sign(THIRD.certificate, NEW, START, BOTH)
    offer = Anchors((OLD.certificate, NEW.certificate, THIRD.certificate), (second, CROSS))
    assert THIRD.certificate in BEFORE.succeed(offer, START).roots


@pytest.mark.parametrize("order", [*permutations(("old", "new", "cross")), ("old",)], ids="-".join)
def test_openssl_believes_a_server_of_either_root_whatever_it_finds_first(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    new = root("next root")
    cross = cross_sign(new.certificate, OLD, START, BOTH)
    known = {"old": OLD.certificate, "new": new.certificate, "cross": cross}
    (tmp_path / "anchors.pem").write_text("".join(certificate_to_pem(known[name]) for name in order))
    for authority in (OLD, new):
        above = issuing(authority)
        server = issue_server(make_server_request(make_key(), "gateway.asp"), ["gateway.asp"], [], above, START)
        (tmp_path / "server.pem").write_text(certificate_to_pem(server))
        (tmp_path / "chain.pem").write_text(certificate_to_pem(above.certificate) + certificate_to_pem(cross))
        command = ["openssl", "verify", "-attime", f"{START.timestamp() + 60:.0f}", "-CAfile", "anchors.pem"]
        command += ["-untrusted", "chain.pem", "server.pem"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


def test_a_file_reads_back_as_it_was_written() -> None:
    again = Anchors.read(OFFER.to_pem())
    assert (set(again.roots), set(again.successions)) == (set(OFFER.roots), set(OFFER.successions))
    assert Anchors.read(certificate_to_pem(OLD.certificate)) == BEFORE


def test_a_root_that_no_trusted_one_signed_is_refused_whole() -> None:
    for offer in (
        Anchors((STRANGER.certificate,)),
        Anchors((OLD.certificate, NEW.certificate, STRANGER.certificate), (CROSS,)),
        Anchors((STRANGER.certificate, NEW.certificate), (cross_sign(NEW.certificate, STRANGER, START, BOTH),)),
        Anchors((OLD.certificate, STRANGER.certificate), (CROSS,)),
    ):
        with pytest.raises(CertificateError, match="vouched for by none"):
            BEFORE.succeed(offer, START)


@pytest.mark.parametrize("moment", [START - timedelta(days=1), START + timedelta(days=BOTH + 1)])
def test_a_succession_counts_only_while_it_lasts(moment: datetime) -> None:
    with pytest.raises(CertificateError, match="vouched for by none"):
        BEFORE.succeed(OFFER, moment)


def test_what_was_taken_in_its_time_leads_to_the_new_root_for_good() -> None:
    """An agent reads its own file again after the time of both roots, or while its clock is wrong."""
    kept = Anchors.read(BEFORE.succeed(OFFER, START).to_pem())
    again = BEFORE.succeed(kept, None)
    assert again.roots == kept.roots
    after = CROSS.not_valid_after_utc + timedelta(days=1)
    assert again.trusted(after) == [NEW.certificate]
    with pytest.raises(CertificateError, match=r"vouched for by none that is trusted here$"):
        BEFORE.succeed(Anchors((STRANGER.certificate,)), None)


def test_a_retired_root_can_name_no_further_successor() -> None:
    after = BEFORE.succeed(OFFER, START)
    late = START + timedelta(days=BOTH + 10)
    other = cross_sign(STRANGER.certificate, OLD, late, BOTH)
    with pytest.raises(CertificateError, match="vouched for by none"):
        after.succeed(Anchors((OLD.certificate, NEW.certificate, STRANGER.certificate), (CROSS, other)), late)


def test_what_is_neither_root_nor_succession_is_no_anchor() -> None:
    below = certificate_to_pem(issuing(OLD).certificate)
    for text in (
        "",
        "nonsense",
        below,
        certificate_to_pem(OLD.certificate) + below,
        certificate_to_pem(OLD.certificate) + certificate_to_pem(CROSS),
        certificate_to_pem(OLD.certificate) * 17,
        "x" * 70_000,
    ):
        with pytest.raises(CertificateError):
            Anchors.read(text)


def test_a_root_cannot_succeed_itself() -> None:
    with pytest.raises(CertificateError, match="itself"):
        cross_sign(OLD.certificate, OLD, START, BOTH)
