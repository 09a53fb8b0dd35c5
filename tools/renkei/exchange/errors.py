"""What every refusal of this room has in common."""


class ExchangeError(ValueError):
    """Something that came from outside can't be trusted or read; the text says what, never a notice's content."""
