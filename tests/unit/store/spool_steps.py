"""Steps of a spool's life."""

from renkei.store.incoming import IncomingMessage, State
from renkei.store.outgoing import Draft, Source
from renkei.store.spool import Spool

AT = "2026-11-23T01:02:03Z"


def source(name: str = "a.csv", folder: str = "") -> Source:
    return Source(f"sha-{name}", folder, name, AT, 1, 0)


def draft(number: int, prefix: str = "id") -> Draft:
    return Draft(
        f"{prefix}-{number}", b"manifest", b"sealed", b"content", f"digest-{prefix}-{number}", "certificate", 1
    )


def take(spool: Spool, name: str, messages: int = 1, recipient: str = "ministry") -> list[int]:
    builders = [lambda number: draft(number, f"{recipient}-{name}") for _ in range(messages)]
    return spool.outgoing.take(source(name, recipient), recipient, "notices", builders)


def incoming(sequence: int, content: str = "", manifest: bytes = b"m") -> IncomingMessage:
    return IncomingMessage(
        "131041", f"id-{sequence}", "notices", sequence, 1, manifest, "{}", content or f"digest-{sequence}", 10, AT
    )


def fetch(spool: Spool, message: IncomingMessage) -> None:
    spool.incoming.announce(message)
    spool.incoming.add_piece(message, 0, b"x" * 10)
    spool.incoming.mark(message, State.FETCHED)
