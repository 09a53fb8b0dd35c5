"""Why the hub's store doesn't do what it is asked. Whatever the refusal, nothing was changed."""

from collections.abc import Sequence


class StoreRefusal(Exception):
    """The request doesn't fit what the store holds."""


class MissingPartsRefusal(StoreRefusal):
    """A manifest names parts that its sender hasn't stored; `digests` in the manifest's order."""

    def __init__(self, digests: Sequence[str]) -> None:
        """Keep the digests for the answer."""
        super().__init__(f"{len(digests)} parts are missing")
        self.digests = list(digests)


class SequenceRefusal(StoreRefusal):
    """A message or void doesn't continue its stream; `expected` is the number that would."""

    def __init__(self, expected: int, given: int) -> None:
        """Keep the expected number for the answer."""
        super().__init__(f"the stream goes on with {expected}, not with {given}")
        self.expected = expected


class ConflictRefusal(StoreRefusal):
    """The same name with other content."""


class ReceiptedRefusal(StoreRefusal):
    """The recipient has the message already; `receipt` is its signed word for that."""

    def __init__(self, receipt: bytes) -> None:
        """Keep the receipt for the answer."""
        super().__init__("the recipient has already receipted this message")
        self.receipt = receipt


class QuotaRefusal(StoreRefusal):
    """A bound on what one party may leave in the store is reached."""


class UnknownRefusal(StoreRefusal):
    """There is no such message, enrolment, request of a server or part."""
