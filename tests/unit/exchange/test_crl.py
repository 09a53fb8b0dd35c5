"""The list of revoked certificates: who may sign one, and what it does to those on it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from renkei.exchange.bindings import RevokedError, TrustAnchor
from renkei.exchange.certificates import Authority, CertificateError, certificate_to_pem
from renkei.exchange.crl import MAX_CRL, next_number, read_crl, sign_crl
from renkei.exchange.parties import MINISTRY, Party

SHINJUKU = Party("131041")


def anchor_of(world: Any) -> TrustAnchor:
    """One of the test's own: what it takes stays."""
    return TrustAnchor(certificate_to_pem(world.root.certificate))


def listing(world: Any, *machines: Any, at: datetime | None = None, number: int = 1, issuing: Any = None) -> str:
    when = at or world.now
    revoked = [(machine.verified.certificate.serial_number, when) for machine in machines]
    return sign_crl(revoked, issuing or world.issuing, when, 3, number)


def test_a_list_says_who_was_revoked_and_when_the_next_is_due(world: Any, shinjuku: Any) -> None:
    crl = read_crl(listing(world, shinjuku, number=7))
    assert (crl.number, crl.signed_at, crl.due_at) == (7, world.now, world.now + timedelta(days=3))
    assert crl.revoked_at(shinjuku.verified.certificate) == world.now
    assert crl.revoked_at(world.enrol(MINISTRY).verified.certificate) is None


def test_who_is_on_the_list_is_believed_no_more(world: Any, shinjuku: Any) -> None:
    anchor = anchor_of(world)
    anchor.verify_entry(shinjuku.entry, world.now, SHINJUKU)
    assert anchor.take_crl(listing(world, shinjuku), world.now)
    with pytest.raises(RevokedError, match="131041/T-0001, whose certificate was revoked on 2026-11-23"):
        anchor.verify_entry(shinjuku.entry, world.now, SHINJUKU)
    assert anchor.verify_entry(world.enrol(MINISTRY).entry, world.now).party == MINISTRY


def test_what_was_signed_before_the_revocation_counts_where_that_is_asked_for(world: Any, shinjuku: Any) -> None:
    anchor, before = anchor_of(world), world.now - timedelta(seconds=1)
    anchor.take_crl(listing(world, shinjuku), world.now)
    found = anchor.verify_entry(shinjuku.entry, world.now, SHINJUKU, signed_at=before)
    assert found.revoked_at == world.now
    with pytest.raises(RevokedError):
        anchor.verify_entry(shinjuku.entry, world.now, SHINJUKU, signed_at=world.now)


def test_of_several_entries_the_revoked_ones_are_passed_over(world: Any, shinjuku: Any) -> None:
    anchor = anchor_of(world)
    anchor.take_crl(listing(world, shinjuku), world.now)
    renewed = world.enrol(SHINJUKU, generation=2)
    assert anchor.choose([shinjuku.entry, renewed.entry], world.now, SHINJUKU).generation == 2
    with pytest.raises(RevokedError):
        anchor.choose([shinjuku.entry], world.now, SHINJUKU)


def test_an_older_list_never_takes_the_place_of_a_newer(world: Any, shinjuku: Any) -> None:
    anchor = anchor_of(world)
    assert anchor.take_crl(listing(world, shinjuku, number=5), world.now)
    for number in (4, 5):
        assert not anchor.take_crl(listing(world, number=number), world.now)
    with pytest.raises(RevokedError):
        anchor.verify_entry(shinjuku.entry, world.now)
    assert anchor.take_crl(listing(world, number=6), world.now)
    anchor.verify_entry(shinjuku.entry, world.now)


def test_only_an_issuing_ca_under_the_root_signs_a_list(world: Any, foreign_world: Any, shinjuku: Any) -> None:
    own = certificate_to_pem(world.issuing.certificate)
    by_terminal = Authority(shinjuku.verified.certificate, shinjuku.key)
    true = listing(world, shinjuku, number=9)
    forgeries = [
        listing(world, number=9, issuing=foreign_world.issuing),
        listing(world, number=9, issuing=by_terminal),
        listing(world, number=9, issuing=Authority(world.issuing.certificate, foreign_world.issuing.key)),
        listing(world, number=9, issuing=foreign_world.issuing).partition("-----BEGIN CERTIFICATE")[0] + own,
    ]
    anchor = anchor_of(world)
    for pem in forgeries:
        with pytest.raises(CertificateError):
            anchor.take_crl(pem, world.now)
    assert anchor.crl is None
    assert anchor.take_crl(true, world.now)


def test_a_list_of_the_future_and_one_of_a_ca_that_has_ended_are_refused(world: Any) -> None:
    anchor = anchor_of(world)
    with pytest.raises(CertificateError, match="hasn't come yet: check the clocks"):
        anchor.take_crl(listing(world, at=world.now + timedelta(hours=1)), world.now)
    with pytest.raises(CertificateError, match="not valid at"):
        anchor.take_crl(listing(world), world.now + timedelta(days=1826))


@pytest.mark.parametrize("text", ["", "no list", "x" * (MAX_CRL + 1), "é"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(CertificateError):
        read_crl(text)


def test_a_list_without_its_issuer_or_with_two_is_refused(world: Any) -> None:
    own, pem = certificate_to_pem(world.issuing.certificate), listing(world)
    for text in (pem.removesuffix(own), pem + own):
        with pytest.raises(CertificateError):
            read_crl(text)


@pytest.mark.parametrize(
    ("extensions", "found"),
    [
        ([], "no number"),
        ([(x509.CRLNumber(1), False), (x509.DeltaCRLIndicator(1), True)], r"aren't known here: 2\.5\.29\.27"),
    ],
)
def test_a_list_in_a_form_that_is_not_ours_is_refused(
    world: Any, extensions: list[tuple[x509.ExtensionType, bool]], found: str
) -> None:
    issuing = world.issuing
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuing.certificate.subject)
    builder = builder.last_update(world.now).next_update(world.now + timedelta(days=1))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    pem = builder.sign(issuing.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError, match=found):
        read_crl(pem + certificate_to_pem(issuing.certificate))


def test_numbers_grow_within_a_second_and_when_the_clock_goes_back(world: Any) -> None:
    first = next_number(world.now, 0)
    assert first == int(world.now.timestamp())
    assert next_number(world.now, first) == first + 1
    assert next_number(world.now - timedelta(days=1), first + 1) == first + 2


def test_a_country_that_is_revoked_twice_over_fits_into_a_list(world: Any) -> None:
    revoked = [(x509.random_serial_number(), world.now) for _ in range(2 * 1892)]
    assert len(read_crl(sign_crl(revoked, world.issuing, world.now, 3, 1)).revoked) == len(revoked)
