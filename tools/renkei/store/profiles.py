"""What other parties say they read: the newest verified profile of each."""

from dataclasses import dataclass

import apsw

from renkei.store.queries import row
from renkei.store.sqlite import Database

PROFILES_SCHEMA = """
CREATE TABLE profiles (
    party TEXT PRIMARY KEY,
    terminal TEXT NOT NULL,
    encodings TEXT NOT NULL,
    software TEXT NOT NULL,
    declared_at TEXT NOT NULL,
    envelope BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """A verified profile: of which terminal, and the versions of the encoding that it reads, rising."""

    party: str
    terminal: str
    encodings: tuple[int, ...]
    software: str
    declared_at: str
    envelope: bytes


class Profiles:
    """The profiles in a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def newest(self, party: str) -> KnownProfile | None:
        """The newest profile of a party."""
        sql = "SELECT party, terminal, encodings, software, declared_at, envelope FROM profiles WHERE party = ?"
        found = row(self._database, sql, (party,))
        if found is None:
            return None
        name, terminal, encodings, *rest = found
        return KnownProfile(name, terminal, tuple(map(int, str(encodings).split())), *rest)

    def keep(self, profile: KnownProfile) -> bool:
        """Keep a profile unless one that was declared later is known: then false."""
        values = (
            profile.party, profile.terminal, " ".join(map(str, profile.encodings)), profile.software,
            profile.declared_at, profile.envelope,
        )  # fmt: skip

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (party) DO UPDATE SET"
                " terminal = excluded.terminal, encodings = excluded.encodings, software = excluded.software,"
                " declared_at = excluded.declared_at, envelope = excluded.envelope"
                " WHERE excluded.declared_at >= profiles.declared_at",
                values,
            )
            return connection.changes() == 1

        return self._database.write(work)
