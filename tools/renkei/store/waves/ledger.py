"""The ledger of waves: plans, and one list of acts that is only added to. SQLite or, for several machines, PostgreSQL.

    with open_ledger("/var/lib/renkei/waves.db") as ledger:
        acts = ledger.add(wave, after=seen, decide=lambda news: [Act("halt", detail="too many don't come back")])

It is a store of its own and not the hub's: who may begin is the ministry's word, and the hub, which stands at the ASP
and is trusted with carrying alone, must be able neither to give a permit nor to forget a halt. It lies on the same
stores as the hub's (durable before anybody hears of it, one writer at a time, both databases by one schema).

What is decided is decided within the transaction that writes it down, after a look at what others have added: between
a halt and a permit there is no gap. A kill at any moment leaves all acts of a turn or none.

A machine is one wave's at a time: it is held from the wave's approval (or its order) to its end there, and the database
itself refuses a second holder. Who aborts a wave says whom it lets go: whoever is at work is held to his end. And a
wave whose machines Ansible reaches has its plays at one home at a time (`homes`).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, TypeVar

import apsw
import psycopg

from renkei.store import postgresql, sqlite
from renkei.store.errors import StoreError
from renkei.store.hub.postgresql import PostgresTransaction
from renkei.store.hub.schema import in_postgresql
from renkei.store.hub.sqlite import SqliteTransaction
from renkei.store.hub.transaction import Transaction
from renkei.store.postgresql import Server
from renkei.store.waves import holds as held_machines
from renkei.store.waves import homes
from renkei.store.waves.homes import Home

T = TypeVar("T")
Work = Callable[[Transaction], T]
What = Literal["consent", "order", "permit", "state", "end", "halt", "resume", "abort", "failing"]

_TWICE: Final = "refused to do a machine twice or for two waves, or to write to a wave that isn't there"
_POSTGRESQL: Final = ("postgresql://", "postgres://")
#: A machine gets one order, and comes to one end, in a wave: the database itself refuses to do a host twice. And it
#: begins to fail once: what counts is the first time.
MIGRATIONS: Final = (
    """
    CREATE TABLE waves (
        wave TEXT PRIMARY KEY,
        planned_at INTEGER NOT NULL,
        plan BLOB NOT NULL
    ) STRICT;

    CREATE TABLE acts (
        act INTEGER PRIMARY KEY,
        wave TEXT NOT NULL REFERENCES waves,
        at INTEGER NOT NULL,
        what TEXT NOT NULL
            CHECK (what IN ('consent', 'order', 'permit', 'state', 'end', 'halt', 'resume', 'abort')),
        terminal TEXT NOT NULL,
        detail TEXT NOT NULL,
        document BLOB NOT NULL
    ) STRICT;
    CREATE INDEX acts_of_wave ON acts (wave, act);
    CREATE UNIQUE INDEX once ON acts (wave, terminal, what) WHERE what IN ('order', 'end');
    """,
    # What was ordered before this and hasn't ended is held by whoever ordered it.
    """
    CREATE TABLE holds (
        terminal TEXT PRIMARY KEY,
        wave TEXT NOT NULL REFERENCES waves
    ) STRICT;
    INSERT INTO holds (terminal, wave)
        SELECT given.terminal, min(given.wave) FROM acts AS given
        WHERE given.what = 'order' AND NOT EXISTS (
            SELECT 1 FROM acts AS later WHERE later.wave = given.wave
            AND (later.what = 'end' AND later.terminal = given.terminal OR later.what = 'abort')
        )
        GROUP BY given.terminal;
    """,
    # `failing` is an act, too: the table is made anew, as a check can't be changed in it.
    """
    CREATE TABLE acts_anew (
        act INTEGER PRIMARY KEY,
        wave TEXT NOT NULL REFERENCES waves,
        at INTEGER NOT NULL,
        what TEXT NOT NULL
            CHECK (what IN ('consent', 'order', 'permit', 'state', 'end', 'halt', 'resume', 'abort', 'failing')),
        terminal TEXT NOT NULL,
        detail TEXT NOT NULL,
        document BLOB NOT NULL
    ) STRICT;
    INSERT INTO acts_anew (act, wave, at, what, terminal, detail, document)
        SELECT act, wave, at, what, terminal, detail, document FROM acts;
    DROP TABLE acts;
    ALTER TABLE acts_anew RENAME TO acts;
    CREATE INDEX acts_of_wave ON acts (wave, act);
    CREATE UNIQUE INDEX once ON acts (wave, terminal, what) WHERE what IN ('order', 'end', 'failing');
    """,
    # Where a wave's plays run.
    """
    CREATE TABLE homes (
        wave TEXT PRIMARY KEY REFERENCES waves,
        home TEXT NOT NULL,
        place TEXT NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happened in a wave.

    Attributes:
        what: which kind of thing.
        terminal: of which machine, empty where it is the wave's.
        detail: the stage, the outcome, or why.
        document: what it stands on: a signed document; of `failing` the counts of who might have failed, of a `halt` by
            the rule its reasons with the machines; or empty.
        at: when it was written down, in seconds since 1970.
        number: its place in the ledger, 0 before it has one.
    """

    what: What
    terminal: str = ""
    detail: str = ""
    document: bytes = b""
    at: int = 0
    number: int = 0


Decide = Callable[[list[Act]], Sequence[Act]]
"""Acts that were added since one looked last → what to add; called in the transaction, so it must be quick."""


class _Database(Protocol):
    """One of the two databases, as the ledger uses it."""

    def write(self, work: Work[T]) -> T: ...
    def read(self, work: Work[T]) -> T: ...
    def close(self) -> None: ...


class Ledger(AbstractContextManager["Ledger"]):
    """The ledger in one database; several processes may have it open."""

    def __init__(self, database: _Database) -> None:
        """Hold an open database."""
        self._database = database

    def plan(self, wave: str, plan: bytes, at: int, consent: bytes) -> None:
        """Keep a wave's plan with its planner's word.

        Raises:
            StoreError: there is a wave of this id.
        """

        def work(transaction: Transaction) -> None:
            if transaction.one("SELECT 1 FROM waves WHERE wave = ?", (wave,)):
                raise StoreError(f"wave {wave} is in the ledger already")
            transaction.execute("INSERT INTO waves (wave, planned_at, plan) VALUES (?, ?, ?)", (wave, at, plan))
            _append(transaction, wave, [Act("consent", detail="planner", document=consent, at=at)])

        self._database.write(work)

    def waves(self) -> list[tuple[str, int]]:
        """Return the id of each wave and when it was planned, oldest first."""
        sql = "SELECT wave, planned_at FROM waves ORDER BY planned_at, wave"
        return [(str(wave), int(at)) for wave, at in self._database.read(lambda t: t.some(sql))]

    def plan_of(self, wave: str) -> bytes | None:
        """Return the plan of a wave as it was kept, None when there is no such wave."""
        row = self._database.read(lambda t: t.one("SELECT plan FROM waves WHERE wave = ?", (wave,)))
        return None if row is None else bytes(row[0])

    def acts(self, wave: str, after: int = 0) -> list[Act]:
        """Return what happened in a wave after an act, oldest first."""
        return self._database.read(lambda t: _after(t, wave, after))

    def held(self, wave: str, terminals: Iterable[str]) -> dict[str, list[str]]:
        """Return those of some machines that other waves than this hold, by wave."""
        wanted = set(terminals)
        return self._database.read(lambda t: held_machines.by_others(t, wave, wanted))

    def add(
        self,
        wave: str,
        after: int,
        decide: Decide,
        holds: Collection[str] = (),
        frees: Callable[[], Collection[str]] = tuple,
    ) -> list[Act]:
        """Decide what to add after a look at what others have added; return both, numbered, once they are durable.

        Args:
            wave: to which.
            after: the last act that one has seen.
            decide: what to add.
            holds: machines that the wave holds from now on; those that it orders it holds anyway.
            frees: says, once it is decided, which machines the wave holds no longer; those that come to their end
                there are let go anyway.

        Raises:
            Held: nothing was added: another wave holds some of the machines.
            StoreError: nothing was added: the database is away, or a host would be done twice.
        """

        def work(transaction: Transaction) -> list[Act]:
            news = _after(transaction, wave, after)
            added = _append(transaction, wave, decide(news))
            held_machines.hold(transaction, wave, {*holds, *(act.terminal for act in added if act.what == "order")})
            ended = (act.terminal for act in added if act.what == "end")
            held_machines.let_go(transaction, wave, {*ended, *frees()})
            return news + added

        return self._database.write(work)

    def move_in(self, wave: str, home: Home, *, take_over: bool = False) -> None:
        """Have the plays of a wave run at one home; with `take_over` whoever had them is gone, by a person's word.

        Raises:
            Elsewhere: another home has them.
        """
        self._database.write(lambda t: homes.move_in(t, wave, home, take_over=take_over))

    def check_home(self, wave: str, home: Home) -> None:
        """Refuse to go on where another home has taken the plays of a wave over.

        Raises:
            Elsewhere: it has.
        """
        self._database.read(lambda t: homes.check(t, wave, home))

    def move_out(self, wave: str, home: Home) -> None:
        """Let the plays of a wave run anywhere: none of them is left at this home."""
        self._database.write(lambda t: homes.move_out(t, wave, home))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._database.close()


def open_ledger(place: str) -> Ledger:
    """Open the ledger in a file, or in the database that a postgresql:// URL names; make its tables if need be.

    Raises:
        StoreError: see `store.sqlite.Database` and `store.postgresql.Database`.
    """
    return Ledger(_Postgres(place) if place.startswith(_POSTGRESQL) else _Sqlite(Path(place)))


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._database = sqlite.Database(path, MIGRATIONS, readers=1)

    def write(self, work: Work[T]) -> T:
        try:
            return self._database.write(lambda connection: work(SqliteTransaction(connection)))
        except apsw.ConstraintError as error:
            raise StoreError(f"{self._database.path}: {_TWICE} ({error})") from error

    def read(self, work: Work[T]) -> T:
        return self._database.read(lambda connection: work(SqliteTransaction(connection)))

    def close(self) -> None:
        self._database.close()


class _Postgres:
    def __init__(self, url: str) -> None:
        scripts = [in_postgresql(script) for script in MIGRATIONS]
        self._database = postgresql.Database(Server(url, standby=False), scripts, readers=1)

    def write(self, work: Work[T]) -> T:
        try:
            return self._database.submit(lambda connection: work(PostgresTransaction(connection))).result()
        except psycopg.IntegrityError as error:
            raise StoreError(f"{_TWICE} ({error})") from error

    def read(self, work: Work[T]) -> T:
        return self._database.read(lambda connection: work(PostgresTransaction(connection)))

    def close(self) -> None:
        self._database.close()


def _after(transaction: Transaction, wave: str, after: int) -> list[Act]:
    rows = transaction.some(
        "SELECT what, terminal, detail, document, at, act FROM acts WHERE wave = ? AND act > ? ORDER BY act",
        (wave, after),
    )
    return [Act(what, terminal, detail, bytes(document), at, act) for what, terminal, detail, document, at, act in rows]


def _append(transaction: Transaction, wave: str, acts: Sequence[Act]) -> list[Act]:
    number = transaction.count("SELECT max(act) FROM acts")
    numbered = [replace(act, number=number + place) for place, act in enumerate(acts, 1)]
    transaction.execute_many(
        "INSERT INTO acts (act, wave, at, what, terminal, detail, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(act.number, wave, act.at, act.what, act.terminal, act.detail, act.document) for act in numbered],
    )
    return numbered
