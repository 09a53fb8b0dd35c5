"""One-time codes for enrolment: printed on a sealed sheet, typed in by a person, used once.

A code is seven groups of four characters, `7K2M-…`, in Crockford's base 32 (no I, L, O, U). Three characters of a group
are random, 105 bits in all; the fourth checks them and the group's place. So every single wrong character, two swapped
ones and two swapped groups are found at once and the group is named: a typing error never looks like an attack.
"""

from secrets import randbelow

from renkei.exchange.errors import ExchangeError

GROUPS = 7
_DATA = 3
_GROUP = _DATA + 1
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE = str.maketrans("OIL", "011", "- \t")
_POLYNOMIAL = 0b100101  # x^5 + x^2 + 1, irreducible: the 32 characters are the field GF(32)
_WEIGHTS = (2, 3, 4)  # distinct, and none is 0, or 1 as the check character's own: so swaps show, too


class CodeError(ExchangeError):
    """A code was mistyped: it can't be one that was given out. The text names the group, never the code."""


def new_code() -> str:
    """Make a code of 105 random bits.

    Returns:
        Seven groups of four characters, joined by hyphens.
    """
    groups = []
    for place in range(GROUPS):
        digits = [randbelow(len(_ALPHABET)) for _ in range(_DATA)]
        groups.append("".join(_ALPHABET[digit] for digit in [*digits, _check(place, digits)]))
    return "-".join(groups)


def normalize_code(typed: str) -> str:
    """Return a code as it was given out: lower case, missing hyphens and O for 0, I or L for 1 are put right.

    Raises:
        CodeError: too short, too long, or a group whose check character doesn't fit.
    """
    text = typed.upper().translate(_ALIKE)
    if len(text) != GROUPS * _GROUP:
        raise CodeError(
            f"a code has {GROUPS} groups of {_GROUP} characters, {GROUPS * _GROUP} in all; {len(text)} came"
        )
    groups = [text[start : start + _GROUP] for start in range(0, len(text), _GROUP)]
    wrong = [str(place + 1) for place, group in enumerate(groups) if not _holds(place, group)]
    if wrong:
        raise CodeError(f"the code has a typing error in group {', '.join(wrong)}; compare it with the sheet")
    return "-".join(groups)


def _holds(place: int, group: str) -> bool:
    digits = [_ALPHABET.find(letter) for letter in group]
    return -1 not in digits and digits[-1] == _check(place, digits[:-1])


def _check(place: int, digits: list[int]) -> int:
    total = place
    for weight, digit in zip(_WEIGHTS, digits, strict=True):
        total ^= _multiply(weight, digit)
    return total


def _multiply(left: int, right: int) -> int:
    """Multiply in GF(32)."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left = left << 1 ^ (_POLYNOMIAL if left & 0b10000 else 0)
        right >>= 1
    return product
