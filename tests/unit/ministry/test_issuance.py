"""Certificates and bindings: the same request gets the same, another the next generation."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from renkei.exchange.anchors import Anchors
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import CertificateError, certificate_from_pem, make_key, make_server_request
from renkei.exchange.chain import Chain
from renkei.exchange.clock import parse_time
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Revocation
from renkei.ministry.issuance import (
    Applicant,
    issue_binding,
    issue_database,
    issue_for_controller,
    issue_gateway,
    revoke,
)


def test_an_issued_entry_is_believed_by_who_knows_only_the_root(ministry: Any, now: datetime) -> None:
    applicant = ministry.machine().applicant()
    issued = ministry.issue(applicant)
    verified = ministry.anchor.verify_entry(DirectoryEntry.from_json(issued.entry), now, Party("131041"))
    assert (verified.terminal, verified.generation) == ("T-131041-01", 1)
    assert verified.not_after == now + timedelta(days=398)


def test_a_request_made_anew_for_the_same_keys_gets_the_same_entry(ministry: Any, now: datetime) -> None:
    asking = ministry.machine()
    first = ministry.issue(asking.applicant())
    later = now + timedelta(days=265)
    again = ministry.issue(asking.applicant(), later)
    assert again == first


def test_two_thirds_of_the_time_later_the_next_generation_is_issued(ministry: Any, now: datetime) -> None:
    asking = ministry.machine()
    first = ministry.issue(asking.applicant())
    due = now + timedelta(days=266)
    second = ministry.issue(asking.applicant(), due)
    assert (first.generation, second.generation) == (1, 2)
    assert parse_time(second.not_after) == due + timedelta(days=398)


def test_generations_count_on_over_a_replaced_terminal(ministry: Any, now: datetime) -> None:
    old, new = ministry.machine(), ministry.machine(terminal="T-131041-02")
    for asking in (old, new):
        last = ministry.issue(asking.applicant())
    other = ministry.ledger.write(
        lambda records: issue_binding(
            records, ministry.machine("011011", "T-011011-01").applicant(), ministry.authority, now
        )
    )
    assert last.generation == 2
    assert other.generation == 1


def test_a_revoked_machine_with_the_same_keys_gets_a_new_certificate_and_not_the_revoked_one(
    ministry: Any, now: datetime
) -> None:
    asking = ministry.machine()
    first = ministry.issue(asking.applicant())
    ministry.ledger.write(lambda records: revoke(records, first, "test", ministry.authority, now))
    second = ministry.issue(asking.applicant())
    assert second.certificate_sha256 != first.certificate_sha256


def test_a_request_for_another_terminal_is_refused_and_leaves_no_trace(ministry: Any) -> None:
    asking = ministry.machine().applicant()
    claimed = Applicant(asking.party, "T-131041-99", asking.request, asking.receiving_key)
    with pytest.raises(CertificateError, match="T-131041-99"):
        ministry.issue(claimed)
    assert ministry.ledger.read(lambda records: records.bindings()) == []


def test_a_revocation_is_signed_by_the_issuing_ca_and_stands_on_the_crl(ministry: Any, now: datetime) -> None:
    issued = ministry.issue(ministry.machine().applicant())
    ministry.ledger.write(lambda records: revoke(records, issued, "stolen", ministry.authority, now))
    ministry.ledger.write(
        lambda records: revoke(records, issued, "again", ministry.authority, now + timedelta(hours=1))
    )
    (revoked,) = ministry.ledger.read(lambda records: records.revocations(unpushed=True))
    document = Revocation.open(revoked.envelope, ministry.authority.key.public_key())
    assert (document.certificate_sha256, document.reason) == (issued.certificate_sha256, "stolen")
    ministry.issuing.write_crl([revoked], now, days=14)
    crl = x509.load_pem_x509_crl(ministry.issuing.crl.read_bytes())
    certificate = certificate_from_pem(DirectoryEntry.from_json(issued.entry).certificate)
    assert crl.is_signature_valid(ministry.authority.key.public_key())
    assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    assert crl.next_update_utc == now + timedelta(days=14)


def test_a_gateways_certificate_is_the_same_for_the_same_request_and_names(ministry: Any, now: datetime) -> None:
    key = make_key()

    def ask(names: tuple[list[str], list[str]], at: datetime = now) -> str:
        request = make_server_request(key, "gateway")
        return ministry.ledger.write(
            lambda records: issue_gateway(records, request, names, ministry.authority, at, 398)
        )

    chain = ask((["b.example", "a.example"], ["10.64.0.74"]))
    assert ask((["a.example", "b.example"], ["10.64.0.74"])) == chain
    assert ask((["a.example"], ["10.64.0.74"])) != chain
    assert ask((["b.example", "a.example"], ["10.64.0.74"]), now + timedelta(days=300)) != chain
    server, issuer = x509.load_pem_x509_certificates(chain.encode())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert issuer == ministry.authority.certificate


def test_a_database_client_is_known_by_a_subject_that_nobody_else_has(ministry: Any, now: datetime) -> None:
    request = make_server_request(make_key(), "asp-hub")

    def ask(name: str) -> str:
        return ministry.ledger.write(
            lambda records: issue_database(records, request, name, ministry.authority, now, 398)
        )

    chain = ask("hub.asp-hub")
    assert ask("hub.asp-hub") == chain != ask("standby.asp-hub")
    client, issuer = x509.load_pem_x509_certificates(chain.encode())
    assert client.subject.rfc4514_string() == "CN=hub.asp-hub,OU=database,O=renkei"
    assert issuer == ministry.authority.certificate
    usage = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(CertificateError, match="one renkei:// identity"):
        Chain(Anchors((ministry.root.certificate(),))).verify(ministry.authority.certificate, client, now)
    for name in ("asp-hub", "hub.", "hub.A", "owner.asp-hub", "hub.a,OU=x", "hub.a\n"):
        with pytest.raises(CertificateError, match="is called hub"):
            ask(name)


def test_a_gateways_certificate_opens_no_door_as_a_client(ministry: Any, now: datetime) -> None:
    request = make_server_request(make_key(), "gateway")
    chain = ministry.ledger.write(
        lambda records: issue_gateway(records, request, (["a.example"], []), ministry.authority, now, 398)
    )
    server = x509.load_pem_x509_certificates(chain.encode())[0]
    with pytest.raises(CertificateError):
        Chain(Anchors((ministry.root.certificate(),))).verify(ministry.authority.certificate, server, now)


def test_a_controller_is_known_by_its_upn_and_is_no_party(ministry: Any, now: datetime) -> None:
    request = make_server_request(make_key(), "whatever")

    def ask(name: str, at: datetime = now) -> str:
        return ministry.ledger.write(
            lambda records: issue_for_controller(records, request, name, ministry.authority, at, 398)
        )

    chain = ask("controller@renkei")
    assert ask("controller@renkei", now + timedelta(days=200)) == chain != ask("other@renkei")
    assert ask("controller@renkei", now + timedelta(days=300)) != chain
    client, issuer = x509.load_pem_x509_certificates(chain.encode())
    assert issuer == ministry.authority.certificate
    assert client.subject.rfc4514_string() == "CN=controller@renkei,OU=controller,O=renkei"
    assert list(client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    (name,) = client.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert isinstance(name, x509.OtherName)
    # 1.3.6.1.4.1.311.20.2.3, a UTF8String (X.690, 8.23)
    assert (name.type_id.dotted_string, name.value) == ("1.3.6.1.4.1.311.20.2.3", b"\x0c\x11controller@renkei")
    with pytest.raises(CertificateError, match="one renkei:// identity"):
        Chain(Anchors((ministry.root.certificate(),))).verify(ministry.authority.certificate, client, now)
    for wrong in ("controller", "@renkei", "controller@", "Controller@renkei", "a@b@c", "a@b\n", "a" * 32 + "@renkei"):
        with pytest.raises(CertificateError, match="of the form controller@renkei"):
            ask(wrong)
