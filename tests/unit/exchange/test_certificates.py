from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    identity_of,
    issue_authority,
    issue_client,
    issue_server,
    key_from_pem,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
    make_server_request,
)
from renkei.exchange.chain import Chain
from renkei.exchange.parties import MINISTRY, InvalidParty, Party

SHINJUKU, SAPPORO = Party("131041"), Party("011011")


def client(world: Any, issuing: Authority | None = None, days: int = 398) -> x509.Certificate:
    request = make_request(make_key(), SHINJUKU, "T-0001")
    return issue_client(request, SHINJUKU, "T-0001", issuing or world.issuing, world.now, days)


def test_a_certificate_is_believed_by_way_of_the_root(world: Any) -> None:
    identity = Chain(Anchors((world.root.certificate,))).verify(world.issuing.certificate, client(world), world.now)
    assert (identity.party, identity.terminal) == (SHINJUKU, "T-0001")
    assert str(identity) == "renkei://131041/T-0001"


def test_a_certificate_is_good_from_a_little_before_its_making_to_its_last_day(world: Any) -> None:
    chain, certificate = Chain(Anchors((world.root.certificate,))), client(world, days=30)
    for good in (timedelta(minutes=-4), timedelta(days=29, hours=23)):
        chain.verify(world.issuing.certificate, certificate, world.now + good)
    for bad in (timedelta(minutes=-6), timedelta(days=31)):
        with pytest.raises(CertificateError, match="at 2026"):
            chain.verify(world.issuing.certificate, certificate, world.now + bad)


def test_an_issuing_ca_past_its_end_vouches_for_nobody(world: Any) -> None:
    key = make_key()
    brief = Authority(issue_authority(make_authority_request(key, "brief"), world.root, world.now, 10), key)
    with pytest.raises(CertificateError, match="CA certificate on the way is not valid"):
        Chain(Anchors((world.root.certificate,))).verify(
            brief.certificate, client(world, brief), world.now + timedelta(days=11)
        )


def test_a_foreign_root_is_not_believed_however_it_is_called(world: Any, foreign_world: Any) -> None:
    certificate = client(foreign_world)
    for issuing in (world.issuing, foreign_world.issuing):
        with pytest.raises(CertificateError):
            Chain(Anchors((world.root.certificate,))).verify(issuing.certificate, certificate, world.now)


def test_a_machine_cannot_issue_certificates(world: Any) -> None:
    key = make_key()
    machine = issue_client(make_request(key, SHINJUKU, "T-0001"), SHINJUKU, "T-0001", world.issuing, world.now)
    forged = client(world, Authority(machine, key))
    with pytest.raises(CertificateError):
        Chain(Anchors((world.root.certificate,))).verify(machine, forged, world.now)


def test_an_issuing_ca_cannot_make_another(world: Any) -> None:
    key = make_key()
    second = Authority(issue_authority(make_authority_request(key, "second"), world.issuing, world.now, 100), key)
    with pytest.raises(CertificateError, match="not signed by the root"):
        Chain(Anchors((world.root.certificate,))).verify(second.certificate, client(world, second), world.now)


def test_the_root_does_not_stand_in_for_an_issuing_ca(world: Any) -> None:
    with pytest.raises(CertificateError):
        Chain(Anchors((world.root.certificate,))).verify(world.root.certificate, client(world, world.root), world.now)


def test_a_certificate_that_is_no_cas_does_not_stand_in_for_one(world: Any) -> None:
    with pytest.raises(CertificateError, match="not one of a CA"):
        Chain(Anchors((world.root.certificate,))).verify_issuing(client(world, world.root), world.now)


def test_another_issuing_ca_than_the_signer_is_refused(world: Any) -> None:
    key = make_key()
    other = issue_authority(make_authority_request(key, "renkei issuing"), world.root, world.now, 1825)
    with pytest.raises(CertificateError):
        Chain(Anchors((world.root.certificate,))).verify(other, client(world), world.now)


def test_a_server_certificate_is_no_partys_certificate(world: Any) -> None:
    server = issue_server(
        make_server_request(make_key(), "gateway.asp"), ["gateway.asp"], ["10.64.0.74"], world.issuing, world.now
    )
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gateway.asp"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.64.0.74"]
    with pytest.raises(CertificateError):
        Chain(Anchors((world.root.certificate,))).verify(world.issuing.certificate, server, world.now)
    with pytest.raises(CertificateError, match="one renkei:// identity"):
        identity_of(server)


@pytest.mark.parametrize(("party", "terminal"), [(SAPPORO, "T-0001"), (SHINJUKU, "T-0002"), (MINISTRY, "T-0001")])
def test_a_request_for_somebody_else_is_refused(world: Any, party: Party, terminal: str) -> None:
    request = make_request(make_key(), party, terminal)
    with pytest.raises(CertificateError, match=f"is for renkei://{party}/{terminal}, not for renkei://131041/T-0001"):
        issue_client(request, SHINJUKU, "T-0001", world.issuing, world.now)


def test_a_request_not_signed_by_its_own_key_is_refused(world: Any) -> None:
    lines = make_request(make_key(), SHINJUKU, "T-0001").splitlines()
    other = make_request(make_key(), SHINJUKU, "T-0001").splitlines()
    with pytest.raises(CertificateError):
        issue_client("\n".join([*lines[:-3], *other[-3:]]), SHINJUKU, "T-0001", world.issuing, world.now)


@pytest.mark.parametrize("uri", ["renkei://131041/a/b", "renkei://131041", "renkei://u@131041/T", "http://131041/T"])
def test_an_identity_of_another_form_is_refused(world: Any, uri: str) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
    request = builder.sign(make_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError, match="identity"):
        issue_client(request, SHINJUKU, "T", world.issuing, world.now)


def test_only_keys_on_p_256_are_taken() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with pytest.raises(CertificateError, match="P-256"):
            key_from_pem(key.private_bytes(*form).decode())


def test_a_key_that_cannot_be_read_is_never_repeated() -> None:
    key = make_key()
    pem = key_to_pem(key)
    assert key_from_pem(pem).private_numbers() == key.private_numbers()
    body = pem.splitlines()[1]
    with pytest.raises(CertificateError) as refused:
        key_from_pem(pem.replace(body, body[::-1]))
    assert body[::-1] not in str(refused.value)
    assert refused.value.__cause__ is None


def test_one_certificate_is_read_not_none_and_not_two(world: Any) -> None:
    pem = certificate_to_pem(world.root.certificate)
    assert fingerprint(certificate_from_pem(pem)) == fingerprint(world.root.certificate)
    for wrong in ("", pem + pem, pem[:-40], pem + " " * 20_000):
        with pytest.raises(CertificateError):
            certificate_from_pem(wrong)


def test_a_certificate_lives_398_days_at_most(world: Any) -> None:
    with pytest.raises(CertificateError, match="1 to 398 days"):
        client(world, days=399)


def test_a_terminals_name_is_checked_before_it_is_signed() -> None:
    with pytest.raises(InvalidParty):
        make_request(make_key(), SHINJUKU, "T/0001")


def test_an_authority_never_shows_its_key(world: Any) -> None:
    assert "Key" not in repr(make_root("r", make_key(), world.now, 10))


def test_a_key_that_is_encrypted_opens_with_its_passphrase_only() -> None:
    key = make_key()
    pem = key_to_pem(key, b"of this machine")
    assert pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert key_from_pem(pem, b"of this machine").private_numbers() == key.private_numbers()
    for other in (None, b"", b"of another one"):
        with pytest.raises(CertificateError) as refused:
            key_from_pem(pem, other)
        assert "another" not in str(refused.value)
