"""Who is who, and who sends what: the connector's tables, and how notices of one person come together.

A person is known by marks, keyed digests that nobody can read back: two notices with a mark in common are about one
person, and a notice that has marks of two people says that they are one.
"""

from collections.abc import Iterable

import apsw

from renkei.store.queries import fetch

SCHEMA = """
create table people (
    id integer primary key,
    at text,
    left_from text,
    day text,
    place text
) strict;

create table notices (
    id integer primary key autoincrement,
    person integer not null references people (id),
    place text not null,
    number text not null,
    type integer not null,
    act text not null,
    day text not null,
    previous text,
    corrects text,
    received_at text not null,
    state text not null,
    content_mark blob not null,
    row text,
    reason text,
    waits_for text,
    until text,
    overtaken integer not null default 0,
    handed_at text,
    error_item text,
    error_reason text,
    processed_on text,
    asked_at text,
    alarmed_at text,
    unique (place, number)
) strict;
create index notices_by_person on notices (person, state);
create index notices_open on notices (state, person) where state in ('waiting', 'unknown');

create table marks (
    mark blob not null,
    notice integer not null references notices (id) on delete cascade,
    primary key (mark, notice)
) strict, without rowid;
create index marks_by_notice on marks (notice);

create table senders (place text primary key) strict, without rowid;
"""

SENDERS = """
create table speakers (
    place text primary key,
    since text not null,
    registers integer not null
) strict, without rowid;
insert into speakers (place, since, registers)
    select place, min(received_at), place in (select place from senders)
    from notices where state <> 'said' group by place;
drop table senders;
"""
"""A migration: since when each municipality has sent notices of lives, and whether 市町村通知 were among them."""


class Identities:
    """The people within one transaction or read of the connector's database."""

    def __init__(self, connection: apsw.Connection) -> None:
        """Work on a connection; what is changed stands or falls with its transaction."""
        self._connection = connection

    def keep(self, marks: Iterable[bytes]) -> None:
        """Keep the marks of the notice that was just noted."""
        id_ = self._connection.last_insert_rowid()
        self._connection.executemany("insert into marks values (?, ?)", [(mark, id_) for mark in marks])

    def person(self, marks: Iterable[bytes]) -> int:
        """Return the person with one of these marks; people who turn out to be one become one."""
        people = sorted(
            {
                int(person)
                for mark in marks
                for (person,) in fetch(
                    self._connection,
                    "select distinct person from marks join notices on id = notice where mark = ?",
                    (mark,),
                )
            }
        )
        if not people:
            self._connection.execute("insert into people default values")
            return self._connection.last_insert_rowid()
        first, *others = people
        for other in others:
            self._connection.execute("update notices set person = ? where person = ?", (first, other))
            self._connection.execute(
                "update people set (at, left_from, day, place) = (select at, left_from, day, place from people"
                " where id = ?2) where id = ?1 and coalesce(day, '') < (select coalesce(day, '') from people"
                " where id = ?2)",
                (first, other),
            )
            self._connection.execute("delete from people where id = ?", (other,))
        return first

    def spoke(self, place: str, at: str, *, registers: bool) -> None:
        """Note that a municipality sent a notice, and whether it was a 市町村通知."""
        self._connection.execute(
            "insert into speakers values (?, ?, ?) on conflict (place) do update set registers = registers or ?3",
            (place, at, registers),
        )

    def senders(self, served: set[str], before: str) -> set[str]:
        """Return who sends 市町村通知: of who is served, all but those who have long sent others and none of these."""
        silent = fetch(self._connection, "select place from speakers where not registers and since <= ?", (before,))
        return served - {place for (place,) in silent}
