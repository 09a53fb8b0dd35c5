"""Numbers of residence cards (在留カード, 入管法19条の4) and of 特別永住者証明書 (入管特例法8条)."""

import re
from dataclasses import dataclass

_FORM = re.compile(r"[A-Z]{2}[0-9]{8}[A-Z]{2}", re.ASCII)


class InvalidCardNumber(ValueError):
    """Not two capital letters, eight digits and two capital letters; the text never repeats the number."""


@dataclass(frozen=True, slots=True, repr=False)
class ResidenceCardNumber:
    """The number on a residence card: `AB12345678CD` in ASCII. No check digit is published.

    Raises:
        InvalidCardNumber: another form (full-width letters and digits included).
    """

    value: str

    def __post_init__(self) -> None:
        """Check the form."""
        if _FORM.fullmatch(self.value) is None:
            raise InvalidCardNumber(
                "a card number is two capital letters, eight digits and two capital letters in ASCII"
            )

    def __repr__(self) -> str:
        """Show all but the number itself: it identifies a person."""
        return f"ResidenceCardNumber({self.value[:2]}••••••••••)"
