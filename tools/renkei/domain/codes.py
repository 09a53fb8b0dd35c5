"""Codes of prefectures, municipalities and wards (全国地方公共団体コード)."""

from dataclasses import dataclass
from typing import Self

_WEIGHTS = (6, 5, 4, 3, 2)


class InvalidCode(ValueError):
    """A string that is no 全国地方公共団体コード; the message says why."""


def check_digit(body: str) -> str:
    """Give the check digit of the five digits `body`: the last digit of 11 − (weighted sum mod 11)."""
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return str((11 - total % 11) % 10)


@dataclass(frozen=True, slots=True, order=True)
class MunicipalityCode:
    """A 全国地方公共団体コード: five digits and a check digit (総務省告示, JIS X 0402).

    Raises:
        InvalidCode: not six digits, or the check digit does not match; the message names both digits.
    """

    value: str

    def __post_init__(self) -> None:
        """Refuse what is no code."""
        digits = self.value
        if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):  # noqa: PLR2004 - the length of a code
            raise InvalidCode(f"code {digits!r} is not six digits")
        if digits[5] != (right := check_digit(digits[:5])):
            raise InvalidCode(
                f"code {digits} ends in check digit {digits[5]}, but {digits[:5]} has check digit {right}"
            )

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Complete five digits to a code."""
        return cls(body + check_digit(body))

    @property
    def prefecture(self) -> str:
        """The prefecture's two digits, `01` to `47` (JIS X 0401)."""
        return self.value[:2]

    @property
    def number(self) -> int:
        """The first five digits as a number; what addresses are computed from."""
        return int(self.value[:5])

    def __str__(self) -> str:
        """Give the six digits."""
        return self.value
