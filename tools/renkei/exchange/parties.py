"""Who takes part in the exchange, and who may write to whom."""

import re
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from renkei.domain.codes import InvalidCode, MunicipalityCode
from renkei.exchange.errors import ExchangeError

_TERMINAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


class InvalidParty(ExchangeError):
    """Neither `ministry`, `authority`, `hub` nor a six-digit code whose check digit holds; or not a machine's name."""


@lru_cache(maxsize=4096)
def _is_code(value: str) -> bool:
    try:
        MunicipalityCode(value)
    except InvalidCode:
        return False
    return True


class Party(str):
    """A participant: `ministry` (the linkage endpoint), `authority`, `hub`, or the six-digit code of an endpoint.

    Raises:
        InvalidParty: anything else; the text says what a party looks like.
    """

    __slots__ = ()
    _ROLES = frozenset({"ministry", "authority", "hub"})

    def __new__(cls, value: str) -> Self:
        """Check `value` and return it as a party."""
        if value not in cls._ROLES and not _is_code(value):
            raise InvalidParty(
                "a party is ministry, authority, hub or an endpoint's code (six digits, the last a check digit)"
            )
        return super().__new__(cls, value)

    @property
    def is_endpoint(self) -> bool:
        """Whether this is a municipality or ward."""
        return self not in self._ROLES

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let models hold a party and read it from a string."""
        del source, handler
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(max_length=16))


MINISTRY = Party("ministry")
AUTHORITY = Party("authority")
HUB = Party("hub")


def may_send(sender: Party, recipient: Party) -> bool:
    """Whether parcels go this way: only from an endpoint to the ministry or from the ministry to an endpoint."""
    return (sender == MINISTRY and recipient.is_endpoint) or (sender.is_endpoint and recipient == MINISTRY)


def check_terminal(terminal: str) -> str:
    """Return `terminal` if it is a machine's name: safe in URLs, file names and certificates.

    Raises:
        InvalidParty: not 1 to 63 letters, digits, dots, underscores and hyphens beginning with a letter or digit.
    """
    if _TERMINAL.fullmatch(terminal) is None:
        raise InvalidParty("a terminal's name is 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-', a letter or digit first")
    return terminal


TerminalName = Annotated[str, AfterValidator(check_terminal)]
"""A pydantic field: the asset number or host name of a machine."""
