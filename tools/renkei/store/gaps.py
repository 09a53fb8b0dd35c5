"""Numbers of received streams that are missing while later ones are here."""

from dataclasses import dataclass

import apsw

from renkei.store.incoming import next_in_stream
from renkei.store.queries import fetch, rows
from renkei.store.sqlite import Database


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers `first` to `last` of a stream of a sender that are missing.

    Attributes:
        sender, stream: whose stream.
        first, last: the numbers.
        held: how many messages behind them are here and wait.
        since: RFC 3339, when the first of these came.
    """

    sender: str
    stream: str
    first: int
    last: int
    held: int
    since: str


def gaps(database: Database) -> list[Gap]:
    """The first gap of each stream that has one."""

    def work(connection: apsw.Connection) -> list[Gap]:
        found = []
        for sender, stream, done, lowest, held, since in fetch(
            connection,
            "SELECT sender, stream, coalesce(delivered_up_to, 0), min(sequence), count(*), min(announced_at)"
            " FROM incoming LEFT JOIN received USING (sender, stream) WHERE state NOT IN ('delivered', 'voided')"
            " AND sequence > coalesce(delivered_up_to, 0)"  # what comes late waits for nothing
            " GROUP BY sender, stream ORDER BY sender, stream",
        ):
            first = next_in_stream(connection, sender, stream, done)
            if first < lowest:
                found.append(Gap(sender, stream, first, lowest - 1, held, since))
        return found

    return database.read(work)


def received_voids(database: Database) -> list[bytes]:
    """The envelopes of all voids that senders sent to this party."""
    return [envelope for (envelope,) in rows(database, "SELECT envelope FROM voids ORDER BY sender, stream, sequence")]
