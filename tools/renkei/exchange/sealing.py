"""Sealing to one recipient: HPKE base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180).

What goes along in the clear is bound by `info`, as RFC 9180 (8.1) advises for messages sealed one at a time.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from renkei.exchange.errors import ExchangeError

_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ENCAPSULATED = KEM.P256.enc_length()
OVERHEAD = 16
"""By how many bytes a sealed message is longer than its plaintext (the tag), the encapsulated key not counted."""


class SealingError(ExchangeError):
    """Sealed for another key, bound to other information, or altered: which of these can't be told."""


def public_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as the uncompressed point that bindings hold (65 bytes)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def seal(plaintext: bytes, receiving_key: ec.EllipticCurvePublicKey, info: bytes) -> tuple[bytes, bytes]:
    """Encrypt for the holder of `receiving_key`.

    Args:
        plaintext: any length.
        receiving_key: the recipient's, from a verified binding.
        info: what the recipient must also have, unaltered, to open it.

    Returns:
        The encapsulated key (65 bytes) and the ciphertext (`OVERHEAD` bytes longer than the plaintext).
    """
    sealed = _SUITE.encrypt(plaintext, receiving_key, info)
    return sealed[:_ENCAPSULATED], sealed[_ENCAPSULATED:]


def unseal(encapsulated_key: bytes, ciphertext: bytes, receiving_key: ec.EllipticCurvePrivateKey, info: bytes) -> bytes:
    """Decrypt what was sealed to this key with this `info`.

    Raises:
        SealingError: another key, another `info`, or an altered byte.
    """
    try:
        return _SUITE.decrypt(encapsulated_key + ciphertext, receiving_key, info)
    except (InvalidTag, ValueError):
        raise SealingError("it was sealed for another key or other information, or was altered on the way") from None
