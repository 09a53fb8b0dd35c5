"""A signed document with its signer's directory entry, as files carry it: JSON `{"entry": …, "envelope": …}`."""

import json
from dataclasses import dataclass
from typing import Final, Self

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError

MAX_SIGNED: Final = 4 * MAX_ENVELOPE
"""Bytes of such a file: entry and envelope, each within a bound of its own, and what JSON adds."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Both as they came; neither is believed before `TrustAnchor.verify_entry` and the document's own `open`.

    An envelope is ASCII (base64 within JSON).
    """

    entry: DirectoryEntry
    envelope: bytes

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read the file's bytes.

        Raises:
            DocumentError: larger than `MAX_SIGNED`, or not of the form.
            BindingError: the entry isn't one.
        """
        try:
            value = json.loads(text) if len(text) <= MAX_SIGNED else None
        except (ValueError, RecursionError):
            value = None
        match value:
            case {"entry": dict(entry), "envelope": str(envelope)} if envelope.isascii():
                return cls(DirectoryEntry.read(entry), envelope.encode("ascii"))
        raise DocumentError(
            'is no signed document with its signer\'s directory entry: JSON {"entry": {…}, "envelope": "…"},'
            f" at most {MAX_SIGNED // 1024} KiB"
        )

    def to_json(self) -> bytes:
        """Write the file's bytes."""
        written = {"entry": self.entry.model_dump(), "envelope": self.envelope.decode()}
        return json.dumps(written, ensure_ascii=False).encode()
