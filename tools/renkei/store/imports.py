"""Notices on their way into the resident register: what came, what waits for whom, what became of it.

    unconfirmed ──confirm──→ ready ──batch──→ handed ──result──→ imported | failed
        │  └──refuse──→ refused
    behind: an earlier notice of the same person waits for a person's word; then it is ready, too

Who a notice is about stands here only as marks: keyed digests that nobody can read back. The notice itself (`row`) is
kept until the register has said that it was imported (longer where `kept`); without a bridge it isn't kept at all.
"""

from collections.abc import Sequence
from itertools import takewhile

import apsw

from renkei.domain.notices import ImportResult
from renkei.domain.notices.results import FAILED, IMPORTED
from renkei.store.dispatches import Dispatches, Waiting
from renkei.store.queries import Row, Values, fetch, rows
from renkei.store.sqlite import Database
from renkei.store.standings import Arrival, Import, NotWaiting, Standing

IMPORTS_SCHEMA = """
CREATE TABLE imports (
    place INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    category TEXT NOT NULL,
    noticed_on TEXT NOT NULL,
    received_at TEXT NOT NULL,
    state TEXT NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    asked_again INTEGER NOT NULL DEFAULT 0,
    renewed INTEGER NOT NULL,
    content_mark BLOB NOT NULL,
    row TEXT,
    kept INTEGER NOT NULL,
    batch INTEGER,
    error_item TEXT,
    reason TEXT,
    settled_at TEXT
) STRICT;
CREATE INDEX imports_open ON imports (state, place) WHERE state IN ('unconfirmed', 'behind', 'ready');

CREATE TABLE import_marks (
    mark BLOB NOT NULL,
    place INTEGER NOT NULL REFERENCES imports ON DELETE CASCADE,
    certain INTEGER NOT NULL,
    PRIMARY KEY (mark, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_of_import ON import_marks (place);

CREATE TABLE import_effects (
    place INTEGER NOT NULL REFERENCES imports ON DELETE CASCADE,
    item TEXT NOT NULL,
    mark BLOB NOT NULL,
    echoed_by TEXT,
    PRIMARY KEY (place, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    batch INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    notices INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    content BLOB,
    made_at TEXT NOT NULL,
    handed_at TEXT
) STRICT;
"""


_OUTCOMES = {IMPORTED: Standing.IMPORTED, FAILED: Standing.FAILED}


class Imports:
    """The ledger of notices on their way into the register."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    # -- coming in

    @staticmethod
    def receive(connection: apsw.Connection, arrivals: Sequence[Arrival], at: str) -> list[str]:
        """Note what a parcel brought, in its order, within the transaction that notes its delivery.

        A number that is known changes nothing, unless it was asked for again and isn't in the register.

        Returns:
            the numbers that came with other content than before: their sender has used a number twice.
        """
        reused = []
        for arrival in arrivals:
            known = fetch(
                connection,
                "SELECT place, state, asked_again, content_mark FROM imports WHERE number = ?",
                (arrival.number,),
            )
            if not known:
                _insert(connection, arrival, at)
                continue
            place, state, asked, mark = known[0]
            if mark != arrival.content_mark:
                reused.append(arrival.number)
            elif asked and state in {Standing.HANDED, Standing.FAILED}:
                standing = Standing.READY if arrival.row is not None else Standing.HANDED
                connection.execute(
                    "UPDATE imports SET state = ?, row = ?, batch = NULL, asked_again = 0, error_item = NULL,"
                    " reason = NULL, settled_at = NULL WHERE place = ?",
                    (standing.value, arrival.row, place),
                )
        return reused

    def ask_again(self, number: str) -> None:
        """Note that a notice was asked for once more: its copy goes to the register unless it was imported."""
        self._database.write(lambda c: c.execute("UPDATE imports SET asked_again = 1 WHERE number = ?", (number,)))

    # -- a person's word

    def confirm(self, number: str, at: str) -> Import:
        """Let a notice go on that waits for a person's word; it still goes after earlier ones of the same person.

        Raises:
            NotWaiting: see there.
        """

        def work(connection: apsw.Connection) -> Import:
            found = _waiting(connection, number)
            connection.execute(
                "UPDATE imports SET confirmed = 1, state = 'behind', settled_at = ? WHERE place = ?", (at, found.place)
            )
            _release(connection)
            return _find(connection, "number = ?", (number,))[0]

        return self._database.write(work)

    def waiting(self, number: str) -> Import:
        """A notice that waits for a person's word.

        Raises:
            NotWaiting: see there.
        """
        return self._database.read(lambda connection: _waiting(connection, number))

    def refuse(self, number: str, reason: str, at: str, answer: Waiting) -> Import:
        """Keep a notice out of the register for good, and let those go on that waited for it.

        Args:
            number: of the notice.
            reason: why.
            at: now.
            answer: the result that tells its sender.

        Raises:
            NotWaiting: see there.
        """

        def work(connection: apsw.Connection) -> Import:
            found = _waiting(connection, number)
            connection.execute(
                "UPDATE imports SET state = 'refused', reason = ?, row = NULL, settled_at = ? WHERE place = ?",
                (reason, at, found.place),
            )
            Dispatches.keep(connection, [answer], at)
            _release(connection)
            return _find(connection, "number = ?", (number,))[0]

        return self._database.write(work)

    # -- to the register

    def ready(self, limit: int) -> list[Import]:
        """The next notices for the register, in order, of one type, that are in no batch yet."""
        found = self._select("state = 'ready' AND batch IS NULL ORDER BY place LIMIT ?", (limit,))
        return list(takewhile(lambda each: each.type == found[0].type, found))

    @staticmethod
    def note_outcomes(connection: apsw.Connection, results: Sequence[ImportResult], at: str) -> None:
        """Note the register's own word on notices, within the transaction that takes its file.

        What was imported isn't kept any longer, unless it is `kept`. 未取込 and 不明 change nothing: more is to come.
        """
        for each in results:
            standing = _OUTCOMES.get(each.result)
            if standing is not None:
                connection.execute(
                    "UPDATE imports SET state = ?1, error_item = ?2, reason = ?3, settled_at = ?4,"
                    " row = iif(?1 = 'imported' AND NOT kept, NULL, row)"
                    " WHERE number = ?5 AND state NOT IN ('imported', 'refused')",
                    (standing.value, each.error_item, each.reason, at, each.target),
                )

    # -- looking

    def find(self, number: str) -> Import | None:
        """A notice by its number."""
        found = self._select("number = ?", (number,))
        return found[0] if found else None

    def unfinished(self) -> list[Import]:
        """Notices that the register hasn't confirmed, in the order in which they came."""
        return self._select("state NOT IN ('imported', 'refused', 'passed') ORDER BY place", ())

    def standings(self) -> dict[str, int]:
        """How many notices that the register hasn't confirmed stand where."""
        sql = (
            "SELECT state, count(*) FROM imports WHERE state NOT IN ('imported', 'refused', 'passed')"
            " GROUP BY state ORDER BY state"
        )
        return {str(state): int(count) for state, count in rows(self._database, sql)}

    def about(self, marks: frozenset[bytes]) -> list[Import]:
        """Notices of the person whom one of the marks is of, whatever other marks link them; in order."""
        places: set[int] = set()
        wanted = set(marks)

        def work(connection: apsw.Connection) -> list[Import]:
            while wanted:
                mark = wanted.pop()
                found = fetch(connection, "SELECT place FROM import_marks WHERE mark = ? AND certain", (mark,))
                for (place,) in found:
                    if place not in places:
                        places.add(place)
                        linked = "SELECT mark FROM import_marks WHERE place = ? AND certain"
                        wanted.update(each for (each,) in fetch(connection, linked, (place,)))
            return [_find(connection, "place = ?", (place,))[0] for place in sorted(places)]

        return self._database.read(work)

    def forget(self, before: str) -> int:
        """Drop what was received before a time (施行令34条: notices are kept one year); how many."""

        def work(connection: apsw.Connection) -> int:
            connection.execute("DELETE FROM imports WHERE received_at < ?", (before,))
            return connection.changes()

        return self._database.write(work)

    def _select(self, where: str, values: Values) -> list[Import]:
        return self._database.read(lambda connection: _find(connection, where, values))


_COLUMNS = (
    "place, number, type, category, noticed_on, received_at, state, confirmed, row, batch, error_item, reason,"
    " settled_at"
)


def _find(connection: apsw.Connection, where: str, values: Values) -> list[Import]:
    sql = f"SELECT {_COLUMNS} FROM imports WHERE {where}"  # noqa: S608  (the clauses of this module)
    return [_import(each) for each in fetch(connection, sql, values)]


def _import(found: Row) -> Import:
    place, number, type_, category, noticed_on, received_at, state, confirmed, *rest = found
    return Import(place, number, type_, category, noticed_on, received_at, Standing(state), bool(confirmed), *rest)


def _waiting(connection: apsw.Connection, number: str) -> Import:
    found = _find(connection, "number = ?", (number,))
    if not found:
        raise NotWaiting(f"no notice {number} is here; renkei-agent pending lists those that wait")
    if found[0].standing is not Standing.UNCONFIRMED:
        raise NotWaiting(f"notice {number} waits for nobody's word: it is {found[0].standing}")
    return found[0]


def _insert(connection: apsw.Connection, arrival: Arrival, at: str) -> None:
    connection.execute(
        "INSERT INTO imports (number, type, category, noticed_on, received_at, state, renewed, content_mark, row,"
        " kept) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(arrival.number, arrival.type, arrival.category, arrival.noticed_on, at),
            *(arrival.standing.value, arrival.renewed, arrival.content_mark, arrival.row),
            arrival.kept,
        ),
    )
    place = connection.last_insert_rowid()
    marks = [(mark, place, 0) for mark in arrival.loose - arrival.certain]
    marks += [(mark, place, 1) for mark in arrival.certain]
    connection.executemany("INSERT INTO import_marks VALUES (?, ?, ?)", marks)
    connection.executemany(
        "INSERT INTO import_effects (place, item, mark) VALUES (?, ?, ?)",
        [(place, item, mark) for item, mark in arrival.effects],
    )
    if arrival.standing is Standing.READY and _held_by(connection, place, renewed=arrival.renewed) is not None:
        connection.execute("UPDATE imports SET state = 'behind' WHERE place = ?", (place,))


def _release(connection: apsw.Connection) -> None:
    """Let every notice go on before which no earlier one of the same person waits any more."""
    for place, renewed in fetch(connection, "SELECT place, renewed FROM imports WHERE state = 'behind' ORDER BY place"):
        if _held_by(connection, place, renewed=bool(renewed)) is None:
            connection.execute("UPDATE imports SET state = 'ready' WHERE place = ?", (place,))


def _held_by(connection: apsw.Connection, place: int, *, renewed: bool) -> int | None:
    """The earliest notice of the same person that came before and doesn't go on yet.

    Loose marks are those of many people, so they are looked at only for a person `renewed`.
    """
    sql = (
        "SELECT min(earlier.place) FROM import_marks AS own JOIN import_marks AS other USING (mark)"
        " JOIN imports AS earlier ON earlier.place = other.place"
        " WHERE own.place = ?1 AND other.place < ?1 AND earlier.state IN ('unconfirmed', 'behind')"
    )
    found = fetch(connection, sql if renewed else f"{sql} AND own.certain AND other.certain", (place,))
    return None if found[0][0] is None else int(found[0][0])
