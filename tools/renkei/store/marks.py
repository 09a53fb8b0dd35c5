"""Marks: keyed digests by which a machine recognises a person or a value again without keeping either."""

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

MARK_BYTES = 16
_KEY_BYTES = 32


class Marks:
    """Makes the marks of one machine; whoever gets its database alone can't try out card numbers on it."""

    def __init__(self, path: Path) -> None:
        """Read the machine's key, made at its first use, for its owner's eyes only.

        Raises:
            OSError: it can't be read or made.
        """
        if not path.exists():
            unfinished = path.with_name(f".{path.name}.new")
            unfinished.unlink(missing_ok=True)
            with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                stream.write(secrets.token_bytes(_KEY_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.rename(path)
        self._key = path.read_bytes()

    def of(self, feature: str) -> bytes:
        """Return the mark of a feature."""
        return hmac.digest(self._key, feature.encode(), "sha256")[:MARK_BYTES]

    def all(self, features: Iterable[str]) -> frozenset[bytes]:
        """Return the marks of features."""
        return frozenset(self.of(feature) for feature in features)
