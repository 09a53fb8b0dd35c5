"""The certificate of a host's maintenance window, as the machine's stores have it: a real key, a real request.

A request leaves its key in `secrets`; the certificate that answers it becomes what the next window opens with.
"""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from renkei.exchange.certificates import key_from_pem, key_to_pem, make_key, public_key_of
from renkei.lab.windows.host import Host

_REQUESTED, _OWN = "listener.requested", "listener.pem"
_CHAIN = 2


def request(host: Host, name: str, address: str) -> str:
    """Make a key and say the request (PEM, with the words that certreq writes around it)."""
    key = make_key()
    host.secrets[_REQUESTED] = key_to_pem(key)
    host.facts["listener_asked"] = f"renkei listener {name} {address}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    return pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


def install(host: Host, chain: str) -> str:
    """Take the answer to the request; return the certificate's SHA-1.

    Raises:
        ValueError: not two certificates, or not for the key of the request.
    """
    found = x509.load_pem_x509_certificates(chain.encode())
    if len(found) != _CHAIN:
        raise ValueError(f"two certificates are expected, this and its issuer's; there are {len(found)}")
    own, pem = found[0], host.secrets.pop(_REQUESTED, "")
    if not pem or key_from_pem(pem).public_key() != public_key_of(own):
        raise ValueError("CertEnroll::CX509Enrollment::InstallResponse: Cannot find object or property. 0x80092004")
    host.secrets[_OWN] = chain + pem
    host.facts["listener"] = {
        "name": host.facts.pop("listener_asked"),
        "begin": int(own.not_valid_before_utc.timestamp()),
        "end": int(own.not_valid_after_utc.timestamp()),
        "sha1": own.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - what Windows calls a thumbprint
    }
    return str(host.facts["listener"]["sha1"])


def described(host: Host) -> dict[str, Any] | None:
    """Say what the next window opens with: its name, and from when until when it is good."""
    there = host.facts["listener"]
    return {name: there[name] for name in ("name", "begin", "end")} if there else None


def bind(host: Host) -> None:
    """Open a window with the newest certificate; a host whose certificate is the bench's own keeps that."""
    if host.facts["listener"] and _OWN in host.secrets:
        host.facts["listener_bound"] = host.facts["listener"]["sha1"]
