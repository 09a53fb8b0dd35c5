"""Marks: keyed digests by which the terminal recognises a person or a value again without keeping either.

The key is this machine's own and never leaves it: whoever gets the spool alone can't try out card numbers on it.
"""

import hmac
import secrets

from renkei.agent.files import write_private
from renkei.agent.home import Home

_KEY = "marks.key"
_KEY_BYTES, MARK_BYTES = 32, 16


class Marks:
    """Makes this machine's marks."""

    def __init__(self, home: Home) -> None:
        """Read the machine's key; it is made at its first use."""
        path = home.settings.keys / _KEY
        try:
            self._key = path.read_bytes()
        except FileNotFoundError:
            unfinished = path.with_name(f"{_KEY}.new")
            unfinished.unlink(missing_ok=True)
            write_private(unfinished, secrets.token_bytes(_KEY_BYTES))
            unfinished.rename(path)
            self._key = path.read_bytes()

    def of(self, feature: str) -> bytes:
        """The mark of a feature."""
        return hmac.digest(self._key, feature.encode(), "sha256")[:MARK_BYTES]

    def all(self, features: frozenset[str]) -> frozenset[bytes]:
        """The marks of features."""
        return frozenset(self.of(feature) for feature in features)
