"""What every refusal of this room has in common."""

from pydantic import ValidationError

_NAMED = 5


class ExchangeError(ValueError):
    """Something that came from outside can't be trusted or read; the text says what, never a notice's content."""


def misfits(error: ValidationError, whole: str) -> str:
    """Name the first fields that don't fit and say why, never what stands in them; `whole` is what has the fields."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or whole}: {each['msg']}" for each in found[:_NAMED])
