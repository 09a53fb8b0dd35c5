"""The canonical encoding of notices: what is digested, sealed and carried, by line and on media alike.

    content = encode(notices, version)      # one of VERSIONS; LATEST where the recipient reads it
    decoded = decode(content)

Both versions are read and written: a sender writes the highest that its recipient's profile accepts. A version that
can't carry a type or an item says so and drops nothing (`carries`).
"""

from collections.abc import Sequence

from renkei.domain.notices import Notice
from renkei.exchange.encoding import first, second
from renkei.exchange.encoding.bounds import MAGIC, MAX_CONTENT, MAX_DECODED, EncodingError
from renkei.exchange.encoding.second import Decoded

FIRST, LATEST = first.VERSION, second.VERSION
VERSIONS = (FIRST, LATEST)

__all__ = [
    "FIRST",
    "LATEST",
    "MAX_CONTENT",
    "MAX_DECODED",
    "VERSIONS",
    "Decoded",
    "EncodingError",
    "carries",
    "decode",
    "encode",
    "version_of",
]


def encode(notices: Sequence[Notice], version: int) -> bytes:
    """Encode notices of one type, in order.

    Args:
        notices: 1 to `MAX_NOTICES`.
        version: one of `VERSIONS`.

    Returns:
        The content, at most `MAX_CONTENT` bytes; the same for the same notices.

    Raises:
        EncodingError: none, too many, of several types, too large together, with types or items that the version
            doesn't have, or a version that isn't known.
    """
    match version:
        case first.VERSION:
            return first.encode(notices)
        case second.VERSION:
            return second.encode(notices)
        case _:
            raise EncodingError(f"this software writes the versions {VERSIONS} of the encoding, not {version}")


def decode(content: bytes) -> Decoded:
    """Decode content of any version.

    Raises:
        EncodingError: of a version that isn't known, a bound exceeded, not canonical, or a notice that breaks its
            type's rules.
    """
    match version_of(content):
        case first.VERSION:
            return Decoded(first.decode(content))
        case second.VERSION:
            return second.decode(content)
        case version:
            raise EncodingError(
                f"the content is in version {version} of the encoding; this software reads the versions {VERSIONS}; "
                "install the newest release"
            )


def version_of(content: bytes) -> int:
    """Return the version that content says it is in.

    Raises:
        EncodingError: it isn't content.
    """
    if len(content) <= len(MAGIC) or not content.startswith(MAGIC):
        raise EncodingError("the content is not notices in the canonical encoding")
    return content[len(MAGIC)]


def carries(version: int, notice: Notice) -> bool:
    """Tell whether a version of the encoding has everything that a notice says."""
    return version >= second.VERSION or first.carries(notice)
