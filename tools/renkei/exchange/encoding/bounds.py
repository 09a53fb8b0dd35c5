"""What all versions of the encoding share: their bounds, their error, and unpacking that a bomb can't abuse."""

from collections.abc import Mapping, Sequence

import cbor2
import zstandard

from renkei.domain.notices import InvalidNotice, Notice
from renkei.domain.notices_items import Value
from renkei.exchange.errors import ExchangeError
from renkei.exchange.payloads import MAX_NOTICES, MAX_SEALED

MAX_CONTENT = MAX_SEALED - 64  # leaves room for salt and tag
MAX_DECODED = 32 * 1024 * 1024
MAGIC = b"RNK"


class EncodingError(ExchangeError):
    """Content that isn't notices in this encoding, or is beyond a bound; the text holds no part of a notice."""


def only_type(notices: Sequence[Notice]) -> type[Notice]:
    """Return the one type of notices that may go into one parcel.

    Raises:
        EncodingError: none, more than `MAX_NOTICES`, or of several types.
    """
    types = {type(notice) for notice in notices}
    if not 1 <= len(notices) <= MAX_NOTICES or len(types) != 1:
        raise EncodingError(
            f"a parcel holds 1 to {MAX_NOTICES} notices of one type; these are {len(notices)} of {len(types)} types"
        )
    (notice_type,) = types
    return notice_type


def check_size(body: bytes, content: bytes, count: int) -> None:
    """Refuse what a recipient would refuse.

    Raises:
        EncodingError: it is.
    """
    if len(body) > MAX_DECODED or len(content) > MAX_CONTENT:
        raise EncodingError(f"the {count} notices are too large for one parcel; split them")


def unpack(frame: bytes, dictionary: zstandard.ZstdCompressionDict | None = None) -> bytes:
    """Decompress one frame that says its size beforehand: a bomb is refused before anything is unpacked.

    Raises:
        EncodingError: too large, empty, more or less than a frame.
    """
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if not 0 < size <= MAX_DECODED:
            raise EncodingError(f"the content would unpack to other than 1 to {MAX_DECODED} bytes")
        decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_DECODED)
        return decompressor.decompress(frame, max_output_size=MAX_DECODED, allow_extra_data=False)
    except zstandard.ZstdError:
        raise EncodingError("the content is not one whole zstd frame") from None


def make(notice_type: type[Notice], fields: Mapping[str, Sequence[Value]], count: int) -> list[Notice]:
    """Make notices of columns, one of `count` values a field.

    Raises:
        EncodingError: a notice breaks its type's rules.
    """
    try:
        return [
            notice_type(**{field: column[row] for field, column in fields.items()})  # type: ignore[arg-type]  # it checks
            for row in range(count)
        ]
    except InvalidNotice as error:
        items = ", ".join(f"{finding.item} ({finding.rule})" for finding in error.findings)
        raise EncodingError(f"a notice in the content breaks the rules of {notice_type.TYPE}: {items}") from None


CBOR_FAULTS = (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)
"""What reading CBOR of a stranger may raise."""
