"""Times as the protocol writes them: RFC 3339, UTC, whole seconds, `Z`. Nothing here asks what time it is."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from renkei.exchange.errors import ExchangeError

_FORM = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


class InvalidTime(ExchangeError):
    """Not a time of the form 2026-11-23T09:00:00Z, or a datetime that doesn't say its zone."""


def whole_seconds(at: datetime) -> datetime:
    """Return `at` in UTC with its fraction of a second cut off.

    Raises:
        InvalidTime: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise InvalidTime("the time has no zone; pass an aware datetime such as datetime.now(UTC)")
    return at.astimezone(UTC).replace(microsecond=0)


def format_time(at: datetime) -> str:
    """Write `at` as RFC 3339 in UTC with whole seconds.

    Raises:
        InvalidTime: `at` has no time zone.
    """
    return whole_seconds(at).isoformat()[: -len("+00:00")] + "Z"


def parse_time(text: str) -> datetime:
    """Read a time that `format_time` could have written.

    Raises:
        InvalidTime: another form, another zone than `Z`, or no such date.
    """
    if _FORM.fullmatch(text) is None:
        raise InvalidTime("a time must have the form 2026-11-23T09:00:00Z (UTC, whole seconds)")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidTime("a time has the right form but names no day or hour that exists") from error


def _read(value: object) -> object:
    if isinstance(value, str):
        return parse_time(value)
    return whole_seconds(value) if isinstance(value, datetime) else value


Time = Annotated[datetime, BeforeValidator(_read), PlainSerializer(format_time, return_type=str, when_used="json")]
"""A pydantic field: an aware UTC datetime of whole seconds, RFC 3339 in JSON."""
