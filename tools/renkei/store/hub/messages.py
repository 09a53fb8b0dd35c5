"""Parts, messages, receipts, voids and inboxes: each function is the body of one transaction."""

from collections.abc import Sequence
from functools import cache

from renkei.store.hub.contract import (
    Accepted,
    Bounds,
    Content,
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
from renkei.store.hub.transaction import Row, Transaction


def missing_parts(transaction: Transaction, sender: str, digests: Sequence[str]) -> list[str]:
    """Return those digests that `sender` hasn't stored, each once."""
    wanted = dict.fromkeys(digests)
    return [digest for digest in wanted if transaction.one(_PART_OF, (sender, digest)) is None]


def put_part(transaction: Transaction, sender: str, digest: str, content: bytes, quota: int, at: int) -> bool:
    """Store a part; its lifetime begins anew when it was there."""
    if (found := transaction.one(_PART_OF, (sender, digest))) is not None:
        transaction.execute("UPDATE parts SET stored_at = ? WHERE part = ?", (at, found[0]))
        return False
    _count(transaction, sender, quota, held_bytes=len(content))
    transaction.execute(
        "INSERT INTO parts (sender, sha256, size, stored_at, content) VALUES (?, ?, ?, ?, ?)",
        (sender, digest, len(content), at, content),
    )
    return True


def accept(
    transaction: Transaction, message: Message, sign: SignAcceptance, quota: int, bounds: Bounds, at: int
) -> Accepted:
    """Accept a message, or answer a duplicate with its acceptance."""
    stream, next_sequence, unreceipted = _stream(transaction, message.sender, message.recipient, message.stream)
    known = transaction.one(
        "SELECT message, stream, sequence, content_sha256, manifest_sha256, acceptance, receipt, voided"
        " FROM messages WHERE sender = ? AND id = ?",
        (message.sender, message.id),
    )
    if known is None:
        number = None
        if message.sequence != next_sequence:
            raise SequenceRefusal(next_sequence, message.sequence)
        if unreceipted >= bounds.unreceipted_per_stream:
            raise QuotaRefusal(f"{bounds.unreceipted_per_stream} messages of this stream wait for {message.recipient}")
    else:
        number, *place, manifest_sha256, acceptance, receipt, voided = known
        if manifest_sha256 == message.manifest_sha256:
            return acceptance, False
        if place != [stream, message.sequence, message.content_sha256] or voided:
            raise ConflictRefusal(f"{message.id} is the id of another message of {message.sender}, or of a voided one")
        if receipt is not None:
            raise ReceiptedRefusal(receipt)
        _count(transaction, message.sender, held_bytes=-_drop_content(transaction, number))
    parts, came = _take_parts(transaction, message, at)
    size = sum(size for _, size in message.parts)
    sent = {"sent": 1, "sent_bytes": size} if known is None else {}
    _count(transaction, message.sender, quota, held_bytes=len(message.manifest) + came, **sent)
    journal = Journal(transaction)
    index, epoch = journal.next_place()
    acceptance = sign(index, epoch)
    values = (message.manifest, message.manifest_sha256, size, acceptance)
    if number is None:
        number = transaction.count(
            "INSERT INTO messages (sender, id, stream, sequence, content_sha256, manifest, manifest_sha256, size,"
            " acceptance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING message",
            (message.sender, message.id, stream, message.sequence, message.content_sha256, *values),
        )
        transaction.execute(
            "UPDATE streams SET next_sequence = next_sequence + 1, unreceipted = unreceipted + 1 WHERE stream = ?",
            (stream,),
        )
    else:
        transaction.execute(
            "UPDATE messages SET manifest = ?, manifest_sha256 = ?, size = ?, acceptance = ? WHERE message = ?",
            (*values, number),
        )
    transaction.execute_many(
        "INSERT INTO message_parts VALUES (?, ?, ?)", [(number, ordinal, part) for ordinal, part in enumerate(parts)]
    )
    journal.append("message", message.sender, acceptance, at, index)
    _deliver(transaction, message.recipient, "manifest", number, message.manifest, message.signer)
    return acceptance, True


def take_receipt(transaction: Transaction, receipt: Receipt, at: int) -> bool:
    """Take the recipient's word that it has the message: the content goes, the sender finds the receipt or has it."""
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
    freed = 0 if voided else _settle(transaction, number)
    sql = "UPDATE messages SET receipt = ?, settled_at = ? WHERE message = ?"
    transaction.execute(sql, (receipt.envelope, at, number))
    _count(transaction, receipt.recipient, received=1, received_bytes=size)
    Journal(transaction).append("receipt", receipt.recipient, receipt.envelope, at)
    counts = {"receipts": 1, "held_bytes": -freed}
    if receipt.returned:
        _count(transaction, receipt.sender, **counts)
    else:
        _deliver(transaction, receipt.sender, "receipt", number, receipt.envelope, receipt.signer, **counts)
    return True


def take_void(transaction: Transaction, void: Void, at: int) -> bool:
    """Take the sender's word that a number of its stream will never be delivered."""
    stream, next_sequence, _ = _stream(transaction, void.sender, void.recipient, void.stream)
    place = (stream, void.sequence)
    if transaction.one("SELECT 1 FROM voids WHERE stream = ? AND sequence = ?", place) is not None:
        return False
    row = transaction.one("SELECT message, receipt FROM messages WHERE stream = ? AND sequence = ?", place)
    number: int | None = None
    if row is not None:
        number, receipt = row
        if receipt is not None:
            raise ReceiptedRefusal(receipt)
        _count(transaction, void.sender, held_bytes=-_settle(transaction, row[0]))
        transaction.execute("UPDATE messages SET voided = 1, settled_at = ? WHERE message = ?", (at, number))
    else:
        if void.sequence != next_sequence:
            raise SequenceRefusal(next_sequence, void.sequence)
        transaction.execute("UPDATE streams SET next_sequence = next_sequence + 1 WHERE stream = ?", (stream,))
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


def content(transaction: Transaction, sender: str, message_id: str) -> Content | None:
    """Return whose a message is, and the parts of its content as long as that is there."""
    rows = transaction.some(
        "SELECT recipient, manifest_sha256, sha256, parts.size FROM messages JOIN streams USING (stream)"
        " LEFT JOIN message_parts USING (message) LEFT JOIN parts USING (part)"
        " WHERE messages.sender = ? AND id = ? ORDER BY ordinal",
        (sender, message_id),
    )
    if not rows:
        return None
    recipient, manifest_sha256, *_ = rows[0]
    parts = tuple((digest, size) for *_, digest, size in rows if digest is not None)
    return Content(recipient, manifest_sha256, parts)


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


def remove_settled(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to `limit` messages that were receipted or voided before a time, with every document of theirs.

    The journal keeps each act's digest, and the stream the count of what was removed: its numbers stay without gaps.
    """
    settled = transaction.some(
        "SELECT message, stream, sequence FROM messages WHERE settled_at > 0 AND settled_at < ?"
        " ORDER BY settled_at LIMIT ?",
        (before, limit),
    )
    for number, stream, sequence in settled:
        transaction.execute("DELETE FROM inbox WHERE message = ?", (number,))
        transaction.execute("DELETE FROM voids WHERE stream = ? AND sequence = ?", (stream, sequence))
        transaction.execute("DELETE FROM messages WHERE message = ?", (number,))
        transaction.execute("UPDATE streams SET removed = removed + 1 WHERE stream = ?", (stream,))
    return len(settled)


def expire_parts(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to `limit` parts that no message took up since `before`."""
    unused = transaction.some(
        "SELECT part, sender, size FROM parts WHERE uses = 0 AND stored_at < ? ORDER BY stored_at LIMIT ?",
        (before, limit),
    )
    for found, sender, size in unused:
        transaction.execute("DELETE FROM parts WHERE part = ?", (found,))
        _count(transaction, sender, held_bytes=-size)
    return len(unused)


_NEW_PART = (
    "INSERT INTO parts (sender, sha256, size, stored_at, uses, content) VALUES (?, ?, ?, ?, 1, ?)"
    " ON CONFLICT (sender, sha256) DO NOTHING RETURNING part"
)
_PART_OF = "SELECT part, size FROM parts WHERE sender = ? AND sha256 = ?"
_STREAM = "SELECT stream, next_sequence, unreceipted FROM streams WHERE sender = ? AND recipient = ? AND name = ?"


def stream_number(transaction: Transaction, sender: str, recipient: str, name: str) -> int:
    """Return the number of a stream, which begins here when it is new."""
    return _stream(transaction, sender, recipient, name)[0]


def _stream(transaction: Transaction, sender: str, recipient: str, name: str) -> tuple[int, int, int]:
    """Return (number, next sequence, unreceipted messages) of a stream, which begins here when it is new."""
    place = (sender, recipient, name)
    row = transaction.one(_STREAM, place)
    if row is not None:
        number, next_sequence, unreceipted = row
        return number, next_sequence, unreceipted
    sql = "INSERT INTO streams (sender, recipient, name) VALUES (?, ?, ?) RETURNING stream"
    return transaction.count(sql, place), 1, 0


def _take_parts(transaction: Transaction, message: Message, at: int) -> tuple[list[int], int]:
    """Return the numbers of a message's parts, and how many bytes of them came with it and are new."""
    numbers, missing, came = [], [], 0
    for digest, size in message.parts:
        if message.sealed is not None:
            values = (message.sender, digest, size, at, message.sealed)
            if (new := transaction.one(_NEW_PART, values)) is not None:
                numbers.append(new[0])
                came += size
                continue
        row = transaction.one(
            "UPDATE parts SET uses = uses + 1 WHERE sender = ? AND sha256 = ? RETURNING part, size",
            (message.sender, digest),
        )
        if row is None:
            missing.append(digest)
        elif row[1] != size:
            raise ConflictRefusal(f"the manifest says that part {digest} has {size} bytes, it has {row[1]}")
        else:
            numbers.append(row[0])
    if missing:
        raise MissingPartsRefusal(list(dict.fromkeys(missing)))
    return numbers, came


def _settle(transaction: Transaction, number: int) -> int:
    """Let go of a message that its recipient has or will never get; return how many bytes its sender held by it."""
    transaction.execute(
        "UPDATE streams SET unreceipted = unreceipted - 1"
        " WHERE stream = (SELECT stream FROM messages WHERE message = ?)",
        (number,),
    )
    return _drop_content(transaction, number)


def _drop_content(transaction: Transaction, number: int) -> int:
    """Take a message out of its recipient's inbox; return how many bytes its sender doesn't hold any more."""
    transaction.execute("DELETE FROM inbox WHERE message = ? AND kind = 'manifest'", (number,))
    freed = transaction.count("SELECT length(manifest) FROM messages WHERE message = ?", (number,))
    used = transaction.some(
        "SELECT part, size, uses, count(*) FROM message_parts JOIN parts USING (part) WHERE message = ?"
        " GROUP BY part, size, uses",
        (number,),
    )
    transaction.execute("DELETE FROM message_parts WHERE message = ?", (number,))
    for found, size, uses, times in used:
        if uses > times:
            transaction.execute("UPDATE parts SET uses = uses - ? WHERE part = ?", (times, found))
        else:
            transaction.execute("DELETE FROM parts WHERE part = ?", (found,))
            freed += size
    return freed


def _count(transaction: Transaction, party: str, quota: int | None = None, **amounts: int) -> Row:
    """Add to a party's counters, which begin at zero; return its (held bytes, cursor).

    Raises:
        QuotaRefusal: it would hold more than `quota` bytes.
    """
    names = tuple(amounts)
    values = (*amounts.values(), party)
    row = transaction.one(_counting(names), values)
    if row is None:
        transaction.execute("INSERT INTO parties (party) VALUES (?) ON CONFLICT (party) DO NOTHING", (party,))
        row = transaction.some(_counting(names), values)[0]
    if quota is not None and row[0] > quota:
        raise QuotaRefusal(f"{party} holds its quota of {quota} bytes until recipients give receipts")
    return row


@cache
def _counting(names: tuple[str, ...]) -> str:
    """Return the statement that adds to these counters; the names are those of this module."""
    added = ", ".join(f"{name} = {name} + ?" for name in names)
    return f"UPDATE parties SET {added} WHERE party = ? RETURNING held_bytes, cursor"  # noqa: S608 (see above)


def _deliver(
    transaction: Transaction,
    party: str,
    kind: ItemKind,
    number: int | None,
    envelope: bytes,
    signer: str,
    **amounts: int,
) -> None:
    _, cursor = _count(transaction, party, cursor=1, **amounts)
    transaction.execute(
        "INSERT INTO inbox (party, cursor, kind, message, envelope, signer) VALUES (?, ?, ?, ?, ?, ?)",
        (party, cursor, kind, number, envelope, signer),
    )
    transaction.tell(party)
