"""What municipalities said of each person, as far as the connector has to remember it for a year.

    waiting → handed → imported | failed
       ↑        └→ unknown → replaced       (未取込: nobody like that; a correction took its place)
       └────────────┘                       (something made the person known)

    said    by the system of record itself: whose cards are whose

Whom a notice is about stands here as marks, keyed digests that nobody can read back; the notice itself only until the
system of record has said what became of it. All of it is changed in the transactions of `handover`, so that a notice
is noted as taken or handed on exactly when its file is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import apsw

from renkei.domain.identity import identify
from renkei.domain.notices import TYPES, ImportResult, Notice, RegisterNotice, StatusNotice
from renkei.domain.notices.results import FAILED, IMPORTED, PENDING
from renkei.domain.notices.rows import notice_of, row_of
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.parties import MINISTRY
from renkei.ministry.identities import Identities
from renkei.ministry.merge import Case, Hold, Terms, Verdict, Whereabouts, judge
from renkei.ministry.places import Places
from renkei.ministry.steps import Act, Step, step_of
from renkei.store.errors import StoreError
from renkei.store.marks import Marks
from renkei.store.queries import Row, Values, fetch

_STEP = "id, place, number, act, day, previous, corrects, received_at"


@dataclass(slots=True)
class Taken:
    """What notices turned out to be: new ones, ones that had come before, numbers used for something else."""

    new: int = 0
    repeated: list[tuple[str, str]] = field(default_factory=list)
    clashing: list[Notice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits, for whoever asks: nothing in it says who it is about; times are RFC 3339."""

    municipality: str
    number: str
    type: str
    since: str
    reason: str
    waits_for: str
    until: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a notice: its state, and what the system of record said of it (`processed_on` RFC 3339)."""

    state: str
    error_item: str | None
    reason: str | None
    processed_on: str | None


class Cases:
    """The people's cases within one transaction or read of the connector's database."""

    def __init__(self, connection: apsw.Connection, marks: Marks, places: Places) -> None:
        """Work on a connection; what is changed stands or falls with its transaction."""
        self._connection, self._marks, self._places = connection, marks, places
        self._identities = Identities(connection)

    def take(self, notices: Iterable[Notice], now: datetime) -> Taken:
        """Note notices of municipalities, in the order of each municipality's stream."""
        taken = Taken()
        for notice in notices:
            content = self._marks.of(f"{notice.TYPE} {row_of(notice)}")
            known = self._rows(
                "select id, content_mark from notices where place = ? and number = ?",
                (notice.municipality, notice.number),
            )
            if not known:
                self._insert(notice, content, now)
                taken.new += 1
            elif known[0][1] == content:
                taken.repeated.append((notice.municipality, notice.number))
            else:
                taken.clashing.append(notice)
        return taken

    def judge(self, served: set[str], now: datetime, terms: Terms, limit: int) -> Iterator[Verdict]:
        """Say for everybody of whom something waits what goes on now, until `limit` notices go on.

        Args:
            served: codes of the municipalities with a terminal in service.
            now: the time.
            terms: the bounds.
            limit: of notices.
        """
        people = self._rows("select person from notices where state = 'waiting' group by person order by min(id)")
        senders = self._identities.senders(served, format_time(now - terms.held))
        going = 0
        for (person,) in people:
            verdict = judge(self._case(int(person)), senders, now, terms)
            going += len(verdict.releases)
            yield verdict
            if going >= limit:
                return

    def hold(self, holds: Iterable[Hold]) -> None:
        """Note why notices wait, for whoever asks."""
        self._connection.executemany(
            "update notices set reason = ?, waits_for = ?, until = ? where id = ?",
            [(each.reason.value, each.waits_for, format_time(each.until), each.step.id) for each in holds],
        )

    def handed(self, verdict: Verdict, now: datetime) -> None:
        """Note that a person's notices went on, and where that leaves the person."""
        for release in verdict.releases:
            step = release.step
            self._connection.execute(
                "update notices set state = 'handed', handed_at = ?, overtaken = ?, reason = null, waits_for = null,"
                " until = null where id = ?",
                (format_time(now), release.overtaken, step.id),
            )
            if step.corrects:
                self._connection.execute(
                    "update notices set state = 'replaced', row = null where place = ? and number = ?"
                    " and state = 'unknown'",
                    (step.place, step.corrects),
                )
        where = verdict.whereabouts
        day = where.day.isoformat() if where.day else None
        self._connection.execute(
            "update people set at = ?, left_from = ?, day = ?, place = ?"
            " where id = (select person from notices where id = ?)",
            (where.at, where.left, day, where.place, verdict.releases[-1].step.id),
        )

    def notice(self, step: Step) -> Notice:
        """Return the notice that a step stands for."""
        ((kind, row),) = self._rows("select type, row from notices where id = ?", (step.id,))
        return notice_of(TYPES[kind], row)

    def asked(self, step: Step, now: datetime) -> bool:
        """Note that the municipality is asked about what a step waits for; false when it had been asked before."""
        self._connection.execute(
            "update notices set asked_at = ? where id = ? and asked_at is null", (format_time(now), step.id)
        )
        return bool(self._connection.changes())

    def answered(self, results: Iterable[ImportResult]) -> list[Step]:
        """Note what the system of record said of notices; return those about somebody whom it doesn't know."""
        unknown = []
        for result in results:
            key = (result.municipality, result.target)
            sql = f"select {_STEP}, person from notices where place = ? and number = ? and state <> 'waiting'"  # noqa: S608  (a constant)
            for *step, person in self._rows(sql, key):
                state = {IMPORTED: "imported", FAILED: "failed", PENDING: "unknown"}.get(result.result)
                if state is None:
                    continue
                self._connection.execute(
                    "update notices set state = ?1, row = iif(?1 = 'unknown', row, null), reason = iif(?1 = 'unknown',"
                    " 'unknown', null), error_item = ?2, error_reason = ?3, processed_on = ?4 where id = ?5",
                    (state, result.error_item, result.reason, result.processed_on.isoformat(), step[0]),
                )
                if state == "unknown":
                    unknown.append(_step(tuple(step)))
                elif state == "imported":
                    self._offer_again("person = ?", (person,))
        return unknown

    def said(self, notices: Iterable[StatusNotice], now: datetime) -> int:
        """Note what the system of record said of people: it knows them, and their new cards are theirs.

        Returns:
            how many notices about people who were unknown are offered again.
        """
        count = 0
        for notice in notices:
            marks = self._marks.all(identify(notice).certain)
            person = self._identities.person(marks)
            self._connection.execute(
                "insert or ignore into notices (person, place, number, type, act, day, received_at, state,"
                " content_mark) values (?, ?, ?, ?, 'other', ?, ?, 'said', x'')",
                (
                    *(person, MINISTRY, f"{notice.municipality}/{notice.number}", TYPES.index(StatusNotice)),
                    *(notice.changed_on.isoformat(), format_time(now)),
                ),
            )
            if self._connection.changes():
                self._identities.keep(marks)
            count += self._offer_again("person = ?", (person,))
        return count

    def sent_again(self, keys: Iterable[tuple[str, str]]) -> None:
        """Offer again what a municipality sent once more, when asked about it."""
        for key in keys:
            self._offer_again("place = ? and number = ?", key)

    def fate(self, municipality: str, number: str) -> Fate | None:
        """Return what is known of a notice of a municipality; None if it never came."""
        found = self._rows(
            "select state, error_item, error_reason, processed_on from notices where place = ? and number = ?",
            (municipality, number),
        )
        return Fate(*found[0]) if found else None

    def overdue(self, before: datetime, now: datetime) -> list[tuple[str, str]]:
        """Return (municipality, number) of what is about somebody unknown since before a time, each only once."""
        found = self._rows(
            "select place, number from notices where state = 'unknown' and received_at < ? and alarmed_at is null",
            (format_time(before),),
        )
        self._connection.execute(
            "update notices set alarmed_at = ? where state = 'unknown' and received_at < ? and alarmed_at is null",
            (format_time(now), format_time(before)),
        )
        return [(place, number) for place, number in found]

    def forget(self, before: datetime) -> int:
        """Drop what was received before a time and no longer waits (施行令34条); how many notices."""
        self._connection.execute(
            "delete from notices where received_at < ? and state not in ('waiting', 'unknown')", (format_time(before),)
        )
        count = self._connection.changes()
        self._connection.execute("delete from people where id not in (select person from notices)")
        return count

    def _insert(self, notice: Notice, content: bytes, now: datetime) -> None:
        marks = self._marks.all(identify(notice).certain)
        step = step_of(notice, 0, now, self._places)
        self._connection.execute(
            "insert into notices (person, place, number, type, act, day, previous, corrects, received_at, state,"
            " content_mark, row) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
            (
                *(self._identities.person(marks), step.place, step.number, TYPES.index(type(notice)), step.act.value),
                *(step.day.isoformat(), step.previous, step.corrects, format_time(now), content, row_of(notice)),
            ),
        )
        self._identities.keep(marks)
        self._identities.spoke(step.place, format_time(now), registers=isinstance(notice, RegisterNotice))

    def _case(self, person: int) -> Case:
        ((at, left, day, place),) = self._rows("select at, left_from, day, place from people where id = ?", (person,))
        steps: dict[str, list[Step]] = {"waiting": [], "unknown": []}
        sql = f"select state, {_STEP} from notices where person = ? and state in ('waiting', 'unknown')"  # noqa: S608  (a constant)
        for state, *values in self._rows(sql, (person,)):
            steps[state].append(_step(tuple(values)))
        known = self._rows(
            "select place, number from notices where person = ? and state <> 'waiting'"
            " and number in (select corrects from notices where person = ? and state = 'waiting')",
            (person, person),
        )
        where = Whereabouts(at, left, date.fromisoformat(day) if day else None, place)
        return Case(where, steps["waiting"], steps["unknown"], {(key[0], key[1]) for key in known})

    def _offer_again(self, where: str, values: Values) -> int:
        self._connection.execute(
            f"update notices set state = 'waiting', reason = null where state = 'unknown' and {where}",  # noqa: S608
            values,
        )
        return self._connection.changes()

    def _rows(self, sql: str, values: Values = ()) -> list[Row]:
        return fetch(self._connection, sql, values)


def read_waiting(path: Path) -> list[Waiting]:
    """Read from a connector's database all that waits, oldest first; the connector isn't disturbed.

    Raises:
        StoreError: it can't be read.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        found = fetch(
            connection,
            "select place, number, type, received_at, coalesce(reason, ''), coalesce(waits_for, ''),"
            " coalesce(until, '') from notices where state in ('waiting', 'unknown') order by id",
        )
        connection.close()
    except apsw.Error as error:
        raise StoreError(f"{path}: can't be read ({error}); has the connector run here?") from error
    return [Waiting(place, number, TYPES[kind].TYPE, *rest) for place, number, kind, *rest in found]


def _step(values: Row) -> Step:
    id_, place, number, act, day, previous, corrects, received = values
    return Step(id_, place, number, Act(act), date.fromisoformat(day), previous, corrects, parse_time(received))
