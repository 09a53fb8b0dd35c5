"""Parts, messages, receipts, voids and inboxes: each function is the body of one transaction."""

from collections.abc import Sequence

from renkei.store.hub.contract import (
    Bounds,
    InboxItem,
    InboxPage,
    ItemKind,
    Message,
    Receipt,
    SignAcceptance,
    StoredMessage,
    StreamState,
    Void,
)
from renkei.store.hub.journal import Journal
from renkei.store.hub.refusals import (
    ConflictRefusal,
    MissingPartsRefusal,
    QuotaRefusal,
    ReceiptedRefusal,
    SequenceRefusal,
    UnknownRefusal,
)
from renkei.store.hub.transaction import Transaction


def missing_parts(transaction: Transaction, sender: str, digests: Sequence[str]) -> list[str]:
    """Return those digests that `sender` hasn't stored, each once."""
    wanted = dict.fromkeys(digests)
    return [digest for digest in wanted if transaction.one(_PART_OF, (sender, digest)) is None]


def put_part(transaction: Transaction, sender: str, digest: str, content: bytes, quota: int, at: int) -> bool:
    """Store a part; its lifetime begins anew when it was there."""
    if (found := transaction.one(_PART_OF, (sender, digest))) is not None:
        transaction.execute("UPDATE parts SET stored_at = ? WHERE part = ?", (at, found[0]))
        return False
    _hold(transaction, sender, len(content), quota)
    transaction.execute(
        "INSERT INTO parts (sender, sha256, size, stored_at, content) VALUES (?, ?, ?, ?, ?)",
        (sender, digest, len(content), at, content),
    )
    return True


def accept(
    transaction: Transaction, message: Message, sign: SignAcceptance, quota: int, bounds: Bounds, at: int
) -> tuple[bytes, bool]:
    """Accept a message, or answer a duplicate with its acceptance."""
    stream = stream_number(transaction, message.sender, message.recipient, message.stream)
    known = transaction.one(
        "SELECT message, stream, sequence, content_sha256, manifest_sha256, acceptance, receipt, voided"
        " FROM messages WHERE sender = ? AND id = ?",
        (message.sender, message.id),
    )
    if known is None:
        number = None
        _continue_stream(transaction, stream, message, bounds)
    else:
        number, *place, manifest_sha256, acceptance, receipt, voided = known
        if manifest_sha256 == message.manifest_sha256:
            return acceptance, False
        if place != [stream, message.sequence, message.content_sha256] or voided:
            raise ConflictRefusal(f"{message.id} is the id of another message of {message.sender}, or of a voided one")
        if receipt is not None:
            raise ReceiptedRefusal(receipt)
        _drop_content(transaction, number)
    parts = _take_parts(transaction, message)
    _hold(transaction, message.sender, len(message.manifest), quota)
    acceptance = sign(Journal(transaction).next_index(), transaction.count("SELECT epoch FROM hub"))
    size = sum(size for _, size in message.parts)
    values = (message.manifest, message.manifest_sha256, size, acceptance)
    if number is None:
        number = transaction.count(
            "INSERT INTO messages (sender, id, stream, sequence, content_sha256, manifest, manifest_sha256, size,"
            " acceptance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING message",
            (message.sender, message.id, stream, message.sequence, message.content_sha256, *values),
        )
        _add(transaction, message.sender, sent=1, sent_bytes=size)
    else:
        transaction.execute(
            "UPDATE messages SET manifest = ?, manifest_sha256 = ?, size = ?, acceptance = ? WHERE message = ?",
            (*values, number),
        )
    transaction.execute_many(
        "INSERT INTO message_parts VALUES (?, ?, ?)", [(number, ordinal, part) for ordinal, part in enumerate(parts)]
    )
    Journal(transaction).append("message", message.sender, acceptance, at)
    _deliver(transaction, message.recipient, "manifest", number, message.manifest, message.signer)
    return acceptance, True


def take_receipt(transaction: Transaction, receipt: Receipt, at: int) -> bool:
    """Take the recipient's word that it has the message: the content goes, the sender finds the receipt."""
    row = transaction.one(
        "SELECT message, receipt IS NOT NULL, size, voided FROM messages JOIN streams USING (stream)"
        " WHERE messages.sender = ? AND id = ? AND recipient = ?",
        (receipt.sender, receipt.id, receipt.recipient),
    )
    if row is None:
        raise UnknownRefusal(f"there is no message {receipt.id} of {receipt.sender} for {receipt.recipient}")
    number, receipted, size, voided = row
    if receipted:
        return False
    if not voided:
        _settle(transaction, number)
    transaction.execute("UPDATE messages SET receipt = ? WHERE message = ?", (receipt.envelope, number))
    _add(transaction, receipt.recipient, received=1, received_bytes=size)
    _add(transaction, receipt.sender, receipts=1)
    Journal(transaction).append("receipt", receipt.recipient, receipt.envelope, at)
    _deliver(transaction, receipt.sender, "receipt", number, receipt.envelope, receipt.signer)
    return True


def take_void(transaction: Transaction, void: Void, at: int) -> bool:
    """Take the sender's word that a number of its stream will never be delivered."""
    stream = stream_number(transaction, void.sender, void.recipient, void.stream)
    place = (stream, void.sequence)
    if transaction.one("SELECT 1 FROM voids WHERE stream = ? AND sequence = ?", place) is not None:
        return False
    row = transaction.one("SELECT message, receipt FROM messages WHERE stream = ? AND sequence = ?", place)
    number: int | None = None
    if row is not None:
        number, receipt = row
        if receipt is not None:
            raise ReceiptedRefusal(receipt)
        _settle(transaction, row[0])
        transaction.execute("UPDATE messages SET voided = 1 WHERE message = ?", (number,))
    else:
        _advance(transaction, stream, void.sequence)
    transaction.execute("INSERT INTO voids VALUES (?, ?, ?)", (*place, void.envelope))
    Journal(transaction).append("void", void.sender, void.envelope, at)
    _deliver(transaction, void.recipient, "void", number, void.envelope, void.signer)
    return True


def stored_message(transaction: Transaction, sender: str, message_id: str) -> StoredMessage | None:
    """Return what is known of a message."""
    row = transaction.one(
        "SELECT id, messages.sender, recipient, name, sequence, content_sha256, manifest_sha256, size, acceptance,"
        " receipt IS NOT NULL, voided FROM messages JOIN streams USING (stream) WHERE messages.sender = ? AND id = ?",
        (sender, message_id),
    )
    if row is None:
        return None
    *fields, receipted, voided = row
    values = (*fields, bool(receipted), bool(voided))
    return StoredMessage(*values)


def content(transaction: Transaction, sender: str, message_id: str) -> list[tuple[str, int]] | None:
    """Return the parts of a message whose content is still there."""
    return (
        transaction.some(
            "SELECT sha256, parts.size FROM messages JOIN message_parts USING (message) JOIN parts USING (part)"
            " WHERE messages.sender = ? AND id = ? ORDER BY ordinal",
            (sender, message_id),
        )
        or None
    )


def part(transaction: Transaction, sender: str, digest: str) -> bytes:
    """Return a part's bytes."""
    row = transaction.one("SELECT content FROM parts WHERE sender = ? AND sha256 = ?", (sender, digest))
    if row is None:
        raise UnknownRefusal(f"part {digest} is not there any more")
    found: bytes = row[0]
    return found


def stream_state(transaction: Transaction, sender: str, recipient: str, stream: str) -> StreamState:
    """Return how far a stream is."""
    row = transaction.one(_STREAM, (sender, recipient, stream))
    if row is None:
        return StreamState(1, ())
    number, next_sequence, _ = row
    unreceipted = transaction.some(
        "SELECT sequence, id FROM messages WHERE stream = ? AND receipt IS NULL AND voided = 0 ORDER BY sequence",
        (number,),
    )
    return StreamState(next_sequence, tuple((sequence, id_) for sequence, id_ in unreceipted))


def inbox(transaction: Transaction, party: str, after: int, limit: int, max_bytes: int) -> InboxPage:
    """Return what came for `party` after a cursor."""
    row = transaction.one("SELECT cursor FROM parties WHERE party = ?", (party,))
    items: list[InboxItem] = []
    size = 0
    for cursor, kind, envelope, entry in transaction.each(
        "SELECT cursor, kind, envelope, entry FROM inbox JOIN bindings ON fingerprint = signer"
        " WHERE inbox.party = ? AND cursor > ? ORDER BY cursor LIMIT ?",
        (party, after, limit),
    ):
        size += len(envelope) + len(entry)
        if items and size > max_bytes:
            break
        items.append(InboxItem(cursor, kind, envelope, entry))
    return InboxPage(tuple(items), 0 if row is None else row[0])


def expire_parts(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to `limit` parts that no message took up since `before`."""
    unused = transaction.some(
        "SELECT part, sender, size FROM parts WHERE uses = 0 AND stored_at < ? ORDER BY stored_at LIMIT ?",
        (before, limit),
    )
    for found, sender, size in unused:
        transaction.execute("DELETE FROM parts WHERE part = ?", (found,))
        _hold(transaction, sender, -size)
    return len(unused)


_PART_OF = "SELECT part, size FROM parts WHERE sender = ? AND sha256 = ?"
_STREAM = "SELECT stream, next_sequence, unreceipted FROM streams WHERE sender = ? AND recipient = ? AND name = ?"


def stream_number(transaction: Transaction, sender: str, recipient: str, name: str) -> int:
    """Return the number of a stream, which begins here when it is new."""
    place = (sender, recipient, name)
    row = transaction.one(_STREAM, place)
    if row is not None:
        return int(row[0])
    return transaction.count("INSERT INTO streams (sender, recipient, name) VALUES (?, ?, ?) RETURNING stream", place)


def _continue_stream(transaction: Transaction, stream: int, message: Message, bounds: Bounds) -> None:
    _advance(transaction, stream, message.sequence)
    transaction.execute("UPDATE streams SET unreceipted = unreceipted + 1 WHERE stream = ?", (stream,))
    unreceipted = transaction.count("SELECT unreceipted FROM streams WHERE stream = ?", (stream,))
    if unreceipted > bounds.unreceipted_per_stream:
        raise QuotaRefusal(f"{bounds.unreceipted_per_stream} messages of this stream wait for {message.recipient}")


def _advance(transaction: Transaction, stream: int, sequence: int) -> None:
    expected = transaction.count("SELECT next_sequence FROM streams WHERE stream = ?", (stream,))
    if sequence != expected:
        raise SequenceRefusal(expected, sequence)
    transaction.execute("UPDATE streams SET next_sequence = next_sequence + 1 WHERE stream = ?", (stream,))


def _take_parts(transaction: Transaction, message: Message) -> list[int]:
    found = {digest: transaction.one(_PART_OF, (message.sender, digest)) for digest, _ in message.parts}
    if missing := [digest for digest, row in found.items() if row is None]:
        raise MissingPartsRefusal(missing)
    numbers = []
    for digest, size in message.parts:
        number, stored_size = found[digest] or (0, -1)
        if stored_size != size:
            raise ConflictRefusal(f"the manifest says that part {digest} has {size} bytes, it has {stored_size}")
        transaction.execute("UPDATE parts SET uses = uses + 1 WHERE part = ?", (number,))
        numbers.append(number)
    return numbers


def _settle(transaction: Transaction, number: int) -> None:
    """Let go of a message that its recipient has or will never get."""
    _drop_content(transaction, number)
    transaction.execute(
        "UPDATE streams SET unreceipted = unreceipted - 1"
        " WHERE stream = (SELECT stream FROM messages WHERE message = ?)",
        (number,),
    )


def _drop_content(transaction: Transaction, number: int) -> None:
    """Take a message out of its recipient's inbox, and out of what its sender holds."""
    transaction.execute("DELETE FROM inbox WHERE message = ? AND kind = 'manifest'", (number,))
    for sender, held in transaction.some("SELECT sender, length(manifest) FROM messages WHERE message = ?", (number,)):
        _hold(transaction, sender, -held)
    used = transaction.some(
        "SELECT part, sender, size FROM message_parts JOIN parts USING (part) WHERE message = ?", (number,)
    )
    transaction.execute("DELETE FROM message_parts WHERE message = ?", (number,))
    for found, sender, size in used:
        transaction.execute("UPDATE parts SET uses = uses - 1 WHERE part = ?", (found,))
        if transaction.execute("DELETE FROM parts WHERE part = ? AND uses = 0", (found,)):
            _hold(transaction, sender, -size)


def _hold(transaction: Transaction, party: str, size: int, quota: int | None = None) -> None:
    _add(transaction, party, held_bytes=size)
    if quota is not None and transaction.count("SELECT held_bytes FROM parties WHERE party = ?", (party,)) > quota:
        raise QuotaRefusal(f"{party} holds its quota of {quota} bytes until recipients give receipts")


def _add(  # noqa: PLR0913 (one amount a counter, all but one or two of them zero)
    transaction: Transaction,
    party: str,
    *,
    cursor: int = 0,
    sent: int = 0,
    sent_bytes: int = 0,
    received: int = 0,
    received_bytes: int = 0,
    receipts: int = 0,
    held_bytes: int = 0,
) -> None:
    transaction.execute("INSERT INTO parties (party) VALUES (?) ON CONFLICT DO NOTHING", (party,))
    transaction.execute(
        "UPDATE parties SET cursor = cursor + ?, sent = sent + ?, sent_bytes = sent_bytes + ?,"
        " received = received + ?, received_bytes = received_bytes + ?, receipts = receipts + ?,"
        " held_bytes = held_bytes + ? WHERE party = ?",
        (cursor, sent, sent_bytes, received, received_bytes, receipts, held_bytes, party),
    )


def _deliver(
    transaction: Transaction, party: str, kind: ItemKind, number: int | None, envelope: bytes, signer: str
) -> None:
    _add(transaction, party, cursor=1)
    transaction.execute(
        "INSERT INTO inbox (party, cursor, kind, message, envelope, signer)"
        " SELECT party, cursor, ?, ?, ?, ? FROM parties WHERE party = ?",
        (kind, number, envelope, signer, party),
    )
    transaction.tell(party)
