"""The promises as statements about a fleet at rest, checked by what is there: files, signed documents, the journal."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

from renkei.agent.home import Home
from renkei.exchange.documents import payload_sha256
from renkei.exchange.payloads import Receipt
from unit.agent.conftest import Fleet


def numbers(folder: Path) -> list[str]:
    """The numbers of all notices of an inbox, in the order of its files' names, which is that of the streams."""
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [line.split(",")[1] for path in files for line in path.read_text().splitlines()[1:]]


def assert_promises(ministry: Home, sender: Home, expected: list[str], arrived: list[str] | None = None) -> None:
    """Everything that was given to `sender` was delivered once, in order, with receipt and journal entry.

    Args:
        ministry: the recipient.
        sender: of notices to it.
        expected: the notices' numbers as they were given.
        arrived: the numbers that were taken from the inbox; without them what lies there now.
    """
    if arrived is None:
        arrived = numbers(ministry.settings.inbox / sender.party)
    lost, surplus = differences(expected, arrived)
    assert arrived == expected, f"{lost} lost, {surplus} too many, or out of order"
    assert sender.spool.outgoing.unreceipted() == []
    entries = journal(ministry)
    acts = Counter((entry["act"], entry["document_sha256"]) for entry in entries)
    assert max(acts.values()) == 1, "a document is in the journal twice"
    kept = sender.spool._database.read(
        lambda c: c.execute(
            "SELECT manifest, acceptance, receipt FROM outgoing WHERE recipient = 'ministry' ORDER BY sequence"
        ).fetchall()
    )
    for manifest, acceptance, receipt in kept:
        assert acts["message", sha256(acceptance).hexdigest()] == 1
        assert acts["receipt", sha256(receipt).hexdigest()] == 1
        said = Receipt.read(Fleet.peek(receipt))
        assert said.content_sha256 == Fleet.peek(manifest)["content_sha256"]
        assert Fleet.peek(acceptance)["manifest_sha256"] == payload_sha256(manifest)
    assert sum(act == "receipt" for act, _ in acts) >= len(kept)


def differences(expected: list[str], arrived: list[str]) -> tuple[int, int]:
    """How many notices were lost, and how many came too often or were never given."""
    given, came = Counter(expected), Counter(arrived)
    return (given - came).total(), (came - given).total()


def journal(reader: Home) -> list[dict[str, str]]:
    """All entries of the hub's journal."""
    entries: list[dict[str, str]] = []
    with reader.connect() as client:
        while page := client.journal_entries(len(entries), len(entries) + 255):
            entries += page
    return entries
