"""Enrolment: how a machine without a certificate asks for one, and how it proves that it may.

    fields = EnrolmentFields(endpoint=…, terminal=…, machine_serial=…, csr=…, receiving_key=…)
    request = fields.prove(code_key(code, fields.endpoint, fields.terminal))        # first certificate
    request = fields.prove_by_old_key(Signer(old_key))                              # renewal

The hub only carries requests: without the code it can neither check nor change one.
"""

from hashlib import sha256
from hmac import compare_digest, digest
from typing import Annotated, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from renkei.exchange.certificates import MAX_PEM
from renkei.exchange.codes import new_code, normalize_code
from renkei.exchange.documents import DocumentError, Kind, Signer, canonical
from renkei.exchange.errors import ExchangeError, misfits
from renkei.exchange.parties import Party, TerminalName
from renkei.exchange.payloads import Digest, Payload, Point

__all__ = ["EnrolmentError", "EnrolmentFields", "EnrolmentRequest", "Renewal", "code_key", "new_code"]

MAX_REQUEST = 32 * 1024
_INFO = b"renkei enrolment v1"
_KEY_LENGTH = 32


class EnrolmentError(ExchangeError):
    """A request is malformed, or its proof doesn't hold: a wrong or foreign code, or a field changed on the way."""


class Renewal(Payload):
    """The proof of a renewal, signed by the machine's present key: this request is mine."""

    KIND = Kind.RENEWAL
    endpoint: Party
    terminal: TerminalName
    request_sha256: Digest


class EnrolmentFields(BaseModel):
    """What a machine asks for.

    Attributes:
        endpoint: the party that it is to speak for.
        terminal: its asset number or host name.
        machine_serial: as its maker gave it.
        csr: certificate signing request (PEM) of its signing key, naming `renkei://ENDPOINT/TERMINAL`.
        receiving_key: uncompressed P-256 point of its other key.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    endpoint: Party
    terminal: TerminalName
    machine_serial: Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
    csr: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PEM)]
    receiving_key: Point

    def prove(self, key: bytes) -> "EnrolmentRequest":
        """Return the request with the proof by a one-time code; `key` comes from `code_key`."""
        return self._with(self._mac(key))

    def prove_by_old_key(self, signer: Signer) -> "EnrolmentRequest":
        """Return the request with the proof by the certificate that it is to replace."""
        renewal = Renewal(endpoint=self.endpoint, terminal=self.terminal, request_sha256=self._digest())
        return self._with(renewal.sign(signer).decode())

    def _asked(self) -> bytes:
        return canonical(self.model_dump(mode="json", include=set(EnrolmentFields.model_fields)))

    def _digest(self) -> str:
        return sha256(self._asked()).hexdigest()

    def _mac(self, key: bytes) -> str:
        return digest(key, self._asked(), "sha256").hex()

    def _with(self, proof: str) -> "EnrolmentRequest":
        return EnrolmentRequest(**{name: getattr(self, name) for name in EnrolmentFields.model_fields}, proof=proof)


class EnrolmentRequest(EnrolmentFields):
    """What a machine sends: what it asks for, and the proof (HMAC in hex, or the envelope of a `Renewal`)."""

    proof: Annotated[str, StringConstraints(min_length=1, max_length=4096)]

    def to_json(self) -> bytes:
        """Write the request."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a request; nothing in it is proven yet.

        Raises:
            EnrolmentError: too large, or a field is missing, unknown or wrong; the text names it.
        """
        if len(text) > MAX_REQUEST:
            raise EnrolmentError(f"a request is at most {MAX_REQUEST} bytes, this has {len(text)}")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise EnrolmentError(
                f"the enrolment request is not as the protocol has it: {misfits(error, 'request')}"
            ) from None

    def check_proof(self, key: bytes) -> None:
        """Check the proof by a one-time code, in constant time.

        Raises:
            EnrolmentError: made with another code, for another endpoint or terminal, or changed since.
        """
        if not compare_digest(self._mac(key).encode(), self.proof.encode()):
            raise EnrolmentError(
                f"the proof for {self.endpoint}/{self.terminal} doesn't hold: another code, or changed on the way"
            )

    def check_renewal(self, old_key: ec.EllipticCurvePublicKey) -> None:
        """Check the proof by the certificate that is to be replaced.

        Raises:
            EnrolmentError: not signed by that key, or over another request.
        """
        try:
            renewal = Renewal.open(self.proof.encode(), old_key)
        except DocumentError as error:
            raise EnrolmentError(f"the renewal of {self.endpoint}/{self.terminal} isn't proven: {error}") from error
        proven = (renewal.endpoint, renewal.terminal, renewal.request_sha256)
        if proven != (self.endpoint, self.terminal, self._digest()):
            raise EnrolmentError(f"the proof for {self.endpoint}/{self.terminal} is one for another request")


def code_key(code: str, endpoint: Party, terminal: str) -> bytes:
    """Derive the key of the proof from a one-time code; it fits this endpoint and terminal only.

    Args:
        code: as typed; see `codes.normalize_code`.
        endpoint: for whom the code was given out.
        terminal: for which machine.

    Raises:
        CodeError: a typing error.
    """
    salt = f"{endpoint}/{terminal}".encode()
    return HKDF(hashes.SHA256(), _KEY_LENGTH, salt, _INFO).derive(normalize_code(code).encode())
