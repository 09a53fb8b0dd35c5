import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import BindingError, DirectoryEntry, ExpiredError, TrustAnchor, bind
from renkei.exchange.certificates import CertificateError, certificate_to_pem, make_key
from renkei.exchange.documents import DocumentError, Signer
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Binding, Revocation
from renkei.exchange.sealing import public_point

SHINJUKU = Party("131041")


def altered(entry: DirectoryEntry, **changes: str) -> DirectoryEntry:
    return DirectoryEntry.read({**json.loads(entry.to_json()), **changes})


def binding_of(machine: Any, **changes: Any) -> Binding:
    verified = machine.verified
    values: dict[str, Any] = {
        "endpoint": verified.party,
        "terminal": verified.terminal,
        "certificate_sha256": verified.fingerprint,
        "receiving_key": public_point(verified.receiving_public_key),
        "generation": verified.generation,
        "not_before": verified.not_before,
        "not_after": verified.not_after,
    }
    return Binding(**{**values, **changes})


def test_an_entry_gives_both_keys_of_the_machine(world: Any, shinjuku: Any) -> None:
    found = world.anchor.verify_entry(DirectoryEntry.from_json(shinjuku.entry.to_json()), world.now, SHINJUKU)
    assert (found.party, found.terminal, found.generation) == (SHINJUKU, "T-0001", 1)
    assert found.signing_public_key == shinjuku.key.public_key()
    assert found.receiving_public_key == shinjuku.receiving.public_key()


def test_a_hub_that_swaps_the_receiving_key_is_found_out_and_the_party_named(
    world: Any, shinjuku: Any, hub: Any
) -> None:
    swapped = binding_of(shinjuku, receiving_key=public_point(make_key().public_key()))
    entry = altered(shinjuku.entry, binding=swapped.sign(hub.signer).decode())
    with pytest.raises(BindingError, match="entry for 131041 can't be believed: the binding is signed by the key"):
        world.anchor.verify_entry(entry, world.now, SHINJUKU)


def test_a_swapped_certificate_is_found_out(world: Any, shinjuku: Any, hub: Any) -> None:
    entry = altered(shinjuku.entry, certificate=certificate_to_pem(hub.verified.certificate))
    with pytest.raises(BindingError, match="certificate that it doesn't name"):
        world.anchor.verify_entry(entry, world.now, SHINJUKU)


def test_an_issuing_ca_of_the_hubs_own_making_is_not_believed(world: Any, foreign_world: Any) -> None:
    forged = foreign_world.enrol(SHINJUKU)
    with pytest.raises(BindingError, match="not signed by the root"):
        world.anchor.verify_entry(forged.entry, world.now, SHINJUKU)


def test_a_machine_in_the_issuing_cas_place_is_not_believed(world: Any, shinjuku: Any, hub: Any) -> None:
    entry = altered(
        shinjuku.entry,
        binding=binding_of(shinjuku).sign(hub.signer).decode(),
        issuer=certificate_to_pem(hub.verified.certificate),
    )
    with pytest.raises(BindingError, match="not signed by the root"):
        world.anchor.verify_entry(entry, world.now, SHINJUKU)


def test_another_partys_entry_is_refused(world: Any, sapporo: Any) -> None:
    with pytest.raises(BindingError, match="entry for 131041 is one for 011011"):
        world.anchor.verify_entry(sapporo.entry, world.now, SHINJUKU)


def test_a_binding_to_a_certificate_of_another_identity_is_refused(world: Any, sapporo: Any) -> None:
    wrong = binding_of(sapporo, endpoint=SHINJUKU)
    entry = altered(sapporo.entry, binding=wrong.sign(Signer(world.issuing.key)).decode())
    with pytest.raises(BindingError, match="binds 131041/T-0002 to the certificate of renkei://011011/T-0002"):
        world.anchor.verify_entry(entry, world.now, SHINJUKU)


def test_an_entry_is_good_within_its_time_only(world: Any, shinjuku: Any) -> None:
    for outside in (timedelta(seconds=-1), timedelta(days=398)):
        with pytest.raises(ExpiredError, match="131041/T-0001 is valid from"):
            world.anchor.verify_entry(shinjuku.entry, world.now + outside, SHINJUKU)
    world.anchor.verify_entry(shinjuku.entry, world.now + timedelta(days=397), SHINJUKU)


def test_a_receiving_key_off_the_curve_is_refused(world: Any, shinjuku: Any) -> None:
    off = b"\x04" + b"\x01" * 64
    entry = altered(
        shinjuku.entry, binding=binding_of(shinjuku, receiving_key=off).sign(Signer(world.issuing.key)).decode()
    )
    with pytest.raises(BindingError, match="not a point of P-256"):
        world.anchor.verify_entry(entry, world.now, SHINJUKU)
    with pytest.raises(DocumentError, match="not a point of P-256"):
        bind(shinjuku.verified.certificate, off, 1, world.issuing, world.now, world.now + timedelta(days=1))


def test_the_newest_generation_is_chosen_in_whatever_order_they_come(world: Any) -> None:
    machines = [world.enrol(MINISTRY, f"linkage-{number}", number) for number in (2, 3, 1)]
    chosen = world.anchor.choose([machine.entry for machine in machines], world.now, MINISTRY)
    assert (chosen.generation, chosen.terminal) == (3, "linkage-3")


def test_a_hub_that_withholds_a_newer_generation_is_found_out(world: Any, shinjuku: Any) -> None:
    with pytest.raises(BindingError, match="withholds the newer one"):
        world.anchor.choose([shinjuku.entry], world.now, SHINJUKU, seen_generation=2)


def test_an_expired_entry_beside_a_good_one_does_no_harm(world: Any, shinjuku: Any) -> None:
    certificate = shinjuku.verified.certificate
    point = public_point(shinjuku.verified.receiving_public_key)
    old = bind(certificate, point, 9, world.issuing, world.now - timedelta(days=9), world.now - timedelta(days=1))
    assert world.anchor.choose([old, shinjuku.entry], world.now, SHINJUKU).generation == 1
    with pytest.raises(BindingError, match="no binding for 131041 that is valid at 2026-11-23T09:00:00Z"):
        world.anchor.choose([old], world.now, SHINJUKU)


def test_a_tampered_entry_beside_a_good_one_is_not_passed_over(world: Any, foreign_world: Any, shinjuku: Any) -> None:
    with pytest.raises(BindingError, match="can't be believed"):
        world.anchor.choose([shinjuku.entry, foreign_world.enrol(SHINJUKU).entry], world.now, SHINJUKU)


def test_a_binding_never_outlives_its_certificate(world: Any, shinjuku: Any) -> None:
    point = public_point(shinjuku.verified.receiving_public_key)
    with pytest.raises(CertificateError, match="outlive"):
        bind(shinjuku.verified.certificate, point, 1, world.issuing, world.now, world.now + timedelta(days=399))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"binding":{},"certificate":"","issuer":""}', b"{" * 70_000])
def test_what_is_no_entry_is_refused(text: bytes) -> None:
    with pytest.raises(BindingError):
        DirectoryEntry.from_json(text)


def test_a_revocation_is_believed_from_an_issuing_ca_only(world: Any, foreign_world: Any, shinjuku: Any) -> None:
    revocation = Revocation(
        endpoint=SHINJUKU,
        terminal="T-0001",
        certificate_sha256=shinjuku.verified.fingerprint,
        reason="stolen",
        revoked_at=world.now,
    )
    issuer = certificate_to_pem(world.issuing.certificate)
    assert world.anchor.verify_revocation(revocation.sign(Signer(world.issuing.key)), issuer, world.now) == revocation
    forgeries = [
        (shinjuku.signer, issuer),
        (shinjuku.signer, shinjuku.entry.certificate),
        (Signer(foreign_world.issuing.key), certificate_to_pem(foreign_world.issuing.certificate)),
    ]
    for signer, claimed in forgeries:
        with pytest.raises(BindingError, match="can't be believed"):
            world.anchor.verify_revocation(revocation.sign(signer), claimed, world.now)


def test_a_trust_anchor_is_one_certificate_on_p_256(world: Any) -> None:
    with pytest.raises(CertificateError):
        TrustAnchor("no certificate")
    assert isinstance(world.root.certificate.public_key(), ec.EllipticCurvePublicKey)
