"""What is settled although the hub, or the recipient's new machine, doesn't know it: both halves of a spool.

At the sender, numbers that have their receipt and can't be offered any more; at a machine that took another's place,
numbers which that one receipted. `mailbox` has the rules.
"""

import json
from collections.abc import Collection
from functools import partial

import apsw

from renkei.exchange.mailbox import ASKED_AGAIN, Ranges, first_unsettled, ranges_between, received_before
from renkei.store.incoming import is_void
from renkei.store.queries import fetch, row, rows
from renkei.store.sqlite import Database


class Settlements:
    """What a spool knows of settled numbers."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    # -- at the sender

    def of(self, recipient: str, stream: str, live: Collection[str], *, whole: bool) -> list[tuple[int, int]]:
        """The numbers that have their receipt and can't be offered, or to nobody: first and last of each range.

        A message can be offered while its bytes are here, sealed to one of the `live` certificates. One that was
        removed after its time had its receipt, or its void still stands.

        Args:
            recipient: of the stream.
            stream: its name.
            live: digests of the certificates that the recipient has.
            whole: this machine has sent the stream from its first number; else only what is still here is known.
        """

        def work(connection: apsw.Connection) -> list[tuple[int, int]]:
            place = (recipient, stream)
            lowest, end = fetch(
                connection,
                "SELECT (SELECT min(sequence) FROM outgoing WHERE recipient = ?1 AND stream = ?2),"
                " (SELECT next_sequence FROM streams WHERE recipient = ?1 AND stream = ?2)",
                place,
            )[0]
            if end is None:
                return []
            others = fetch(
                connection,
                "SELECT sequence FROM outgoing WHERE recipient = ?1 AND stream = ?2 AND (receipted_at IS NULL"
                " OR sealed IS NOT NULL AND recipient_certificate_sha256 IN (SELECT value FROM json_each(?3)))"
                " UNION SELECT sequence FROM sent_voids WHERE recipient = ?1 AND stream = ?2 ORDER BY 1",
                (*place, json.dumps(sorted(live))),
            )
            first = 1 if whole else end if lowest is None else lowest
            return ranges_between(int(first), int(end), [int(number) for (number,) in others])

        return self._database.read(work)

    def note(self, recipient: str, stream: str, below: int, epoch: int) -> None:
        """Note that the hub needs nothing more, in this epoch, of what has a receipt below a number."""
        sql = (
            "UPDATE outgoing SET accepted_epoch = ? WHERE recipient = ? AND stream = ? AND sequence < ?"
            " AND receipted_at IS NOT NULL AND voided_at IS NULL AND (accepted_epoch IS NULL OR accepted_epoch = ?)"
        )
        self._database.write(lambda c: c.execute(sql, (epoch, recipient, stream, below, ASKED_AGAIN)))

    def receipt(self, message_id: str) -> bytes | None:
        """The recipient's receipt of a message of ours, while its documents are kept."""
        found = row(self._database, "SELECT receipt FROM outgoing WHERE id = ?", (message_id,))
        return None if found is None else found[0]

    # -- at a machine that took another's place

    def streams_waiting(self) -> list[tuple[str, str]]:
        """(sender, stream) of those that have begun and hold something that isn't being delivered."""
        sql = (
            "SELECT DISTINCT sender, stream FROM incoming JOIN received USING (sender, stream)"
            " WHERE state IN ('announced', 'fetched', 'quarantined') ORDER BY sender, stream"
        )
        return [(str(sender), str(stream)) for sender, stream in rows(self._database, sql)]

    def begin_behind(self, sender: str, stream: str, settled: Ranges) -> list[str]:
        """Move this machine's beginning as `mailbox.received_before` says, and drop what it held of what was received.

        Returns:
            the ids of the messages that were dropped.
        """

        def work(connection: apsw.Connection) -> list[str]:
            place = (sender, stream)
            sql = "SELECT delivered_up_to FROM received WHERE sender = ? AND stream = ?"
            if not (found := fetch(connection, sql, place)):
                return []
            done = int(found[0][0])
            behind = received_before(done, settled, partial(is_void, connection, sender, stream))
            if behind > done:
                sql = "UPDATE received SET delivered_up_to = ?1, began_after = ?1 WHERE sender = ?2 AND stream = ?3"
                connection.execute(sql, (behind, *place))
            held = fetch(
                connection,
                "SELECT id, sequence FROM incoming WHERE sender = ? AND stream = ? AND sequence <= ?"
                " AND state IN ('announced', 'fetched', 'quarantined')",
                (*place, behind),
            )
            dropped = [str(id_) for id_, number in held if first_unsettled(number, settled) > number]
            for id_ in dropped:
                connection.execute("DELETE FROM pieces WHERE sender = ? AND id = ?", (sender, id_))
                connection.execute("DELETE FROM incoming WHERE sender = ? AND id = ?", (sender, id_))
            return dropped

        return self._database.write(work)
