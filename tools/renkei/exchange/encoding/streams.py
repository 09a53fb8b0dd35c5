"""The streams that columns are written to: numbers in planes of bytes, texts, flags. Each is one item of CBOR.

A run of numbers is a single integer where all are the same, else a byte string: the lowest byte of each number, then
the next higher byte of each, and so on. So bytes of one kind lie together, and a stream compresses by itself as well
as it can; `Written.pieces` says where one kind ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cbor2

from renkei.exchange.encoding.bounds import CBOR_FAULTS, EncodingError

Part = int | bytes
MAX_NUMBER = 2**53
_MAX_WIDTH = 7
_SEPARATOR = "\0"  # no item of a notice may hold it


@dataclass(slots=True)
class Written:
    """Streams of one column, in order, being written; `pieces` are their bytes as they will lie in the content."""

    parts: int = 0
    pieces: list[bytes] = field(default_factory=list)

    def put(self, part: Part, width: int = 1) -> None:
        """Write a part; its bytes are of `width` kinds, one after the other."""
        encoded = cbor2.dumps(part, canonical=True)
        self.parts += 1
        if not isinstance(part, bytes) or not part:
            self.pieces.append(encoded)
            return
        head, step = len(encoded) - len(part), len(part) // width
        self.pieces.append(encoded[:head])
        self.pieces.extend(part[start : start + step] for start in range(0, len(part), step))

    def numbers(self, values: Sequence[int]) -> None:
        """Write numbers from 0 to `MAX_NUMBER`; nothing where there are none."""
        if not values:
            return
        largest = max(values)
        if min(values) == largest:
            self.put(largest)
            return
        width = (largest.bit_length() + 7) // 8
        self.put(b"".join(bytes(value >> 8 * plane & 255 for value in values) for plane in range(width)), width)

    def signed(self, values: Sequence[int]) -> None:
        """Write numbers that may be negative: 0, -1, 1, -2 … as 0, 1, 2, 3 …."""
        self.numbers([value * 2 if value >= 0 else -2 * value - 1 for value in values])

    def texts(self, values: Sequence[str]) -> None:
        """Write texts; nothing where there are none."""
        if values:
            self.put(_SEPARATOR.join(values).encode())

    def flags(self, values: Sequence[bool]) -> None:
        """Write yes and no, eight a byte, or one number where all are the same."""
        if all(values) or not any(values):
            self.numbers([int(value) for value in values])
            return
        packed = sum(1 << place for place, value in enumerate(values) if value)
        self.put(packed.to_bytes((len(values) + 7) // 8, "little"))


class Reader:
    """Reads the streams of one content; whatever isn't as `Written` writes it is refused."""

    def __init__(self, items: Iterable[object]) -> None:
        """Read from CBOR items in order."""
        self._items = iter(items)

    def part(self) -> Part:
        """Return the next part as it is."""
        item = next(self._items, None)
        if type(item) is int and 0 <= item <= MAX_NUMBER:
            return item
        if type(item) is bytes:
            return item
        raise EncodingError("a column of the content ends too early, or has a stream that is neither number nor bytes")

    def number(self, limit: int) -> int:
        """Return one number from 0 to `limit`."""
        return self.numbers(1, limit)[0]

    def numbers(self, count: int, limit: int = MAX_NUMBER) -> list[int]:
        """Return `count` numbers from 0 to `limit`."""
        if count == 0:
            return []
        part = self.part()
        if isinstance(part, int):
            values = [part] * count
        else:
            width, surplus = divmod(len(part), count)
            planes = [part[plane * count : (plane + 1) * count] for plane in range(width)]
            if surplus or not 1 <= width <= _MAX_WIDTH or not any(planes[-1]):
                raise EncodingError(f"a stream of the content doesn't hold {count} numbers")
            values = list(planes[0])
            for plane, higher in enumerate(planes[1:], start=1):
                values = [value | byte << 8 * plane for value, byte in zip(values, higher, strict=True)]
            if min(values) == max(values):
                raise EncodingError("a stream of the content repeats one number; that is written once")
        if max(values) > limit:
            raise EncodingError(f"a stream of the content holds a number beyond {limit}")
        return values

    def signed(self, count: int) -> list[int]:
        """Return `count` numbers, negative ones too."""
        return [value // 2 if value % 2 == 0 else -(value + 1) // 2 for value in self.numbers(count)]

    def texts(self, count: int, longest: int) -> list[str]:
        """Return `count` texts of at most `longest` characters."""
        if count == 0:
            return []
        part = self.part()
        try:
            values = part.decode().split(_SEPARATOR, count) if isinstance(part, bytes) else []
        except UnicodeDecodeError:
            values = []
        if len(values) != count or any(len(value) > longest for value in values):
            raise EncodingError(f"a stream of the content doesn't hold {count} texts of {longest} characters")
        return values

    def flags(self, count: int) -> list[bool]:
        """Return `count` times yes or no."""
        if count == 0:
            return []
        part = self.part()
        if isinstance(part, int):
            if part > 1:
                raise EncodingError("a stream of the content holds something else than yes and no")
            return [part == 1] * count
        packed = int.from_bytes(part, "little")
        if len(part) != (count + 7) // 8 or not 0 < packed < (1 << count) - 1:
            raise EncodingError(f"a stream of the content doesn't hold {count} times yes or no")
        return [packed >> place & 1 == 1 for place in range(count)]

    def skip(self, parts: int) -> None:
        """Pass over the parts of a column that this side doesn't know."""
        for _ in range(parts):
            self.part()

    def end(self) -> None:
        """Refuse anything that follows."""
        if next(self._items, None) is not None:
            raise EncodingError("the content holds more than its columns")


def read_items(body: bytes, depth: int) -> list[object]:
    """Read an array in deterministic CBOR (RFC 8949, 4.2).

    Raises:
        EncodingError: deeper than `depth`, malformed, written in another form, or no array.
    """
    try:
        value = cbor2.loads(body, max_depth=depth, allow_indefinite=False, allow_duplicate_keys=False)
        canonical = cbor2.dumps(value, canonical=True) == body
    except CBOR_FAULTS:
        raise EncodingError("the content is not well-formed CBOR") from None
    if not canonical:
        raise EncodingError("the content is not in deterministic form (RFC 8949, 4.2)")
    if not isinstance(value, list):
        raise EncodingError("the content is not an array")
    return value
