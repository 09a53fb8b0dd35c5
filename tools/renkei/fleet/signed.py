"""Signed documents in files."""

from pathlib import Path

from renkei.exchange.signed import MAX_SIGNED, Signed


def read_signed(file: Path) -> Signed:
    """Read a document with its signer's directory entry; neither is believed.

    Raises:
        ExchangeError: it isn't of the form, or larger than it may be.
        OSError: it can't be read.
    """
    with file.open("rb") as stream:
        return Signed.from_json(stream.read(MAX_SIGNED + 1))
