"""At the ministry: renewals that came by medium, on their way over the hub to the registration authority and back."""

from dataclasses import dataclass

import apsw

from renkei.store.queries import rows
from renkei.store.sqlite import Database

RENEWALS_SCHEMA = """
CREATE TABLE carried_renewals (
    endpoint TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    submission TEXT,
    answer TEXT,
    answered_at TEXT
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class CarriedRenewal:
    """A request (JSON), the id under which the hub queued it, and the authority's answer (JSON) once there is one."""

    endpoint: str
    request: bytes
    submission: str | None = None
    answer: str | None = None


class CarriedRenewals:
    """The renewals in a spool, the newest request of each endpoint."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def keep(self, endpoint: str, request: bytes) -> bool:
        """Keep a request; false when it is the one that is here."""

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT INTO carried_renewals (endpoint, request) VALUES (?1, ?2) ON CONFLICT (endpoint) DO UPDATE SET"
                " request = ?2, submission = NULL, answer = NULL, answered_at = NULL WHERE request <> ?2",
                (endpoint, request),
            )
            return connection.changes() == 1

        return self._database.write(work)

    def unanswered(self) -> list[CarriedRenewal]:
        """Requests that wait for the authority."""
        return self._some("answer IS NULL ORDER BY endpoint", ())

    def answered(self, endpoint: str, since: str) -> CarriedRenewal | None:
        """An endpoint's request that was answered after a time, if there is one."""
        found = self._some("endpoint = ? AND answered_at > ?", (endpoint, since))
        return found[0] if found else None

    def note_submission(self, endpoint: str, submission: str | None) -> None:
        """Note the id under which the hub queued the request; None: it is to be handed in again."""
        sql = "UPDATE carried_renewals SET submission = ? WHERE endpoint = ?"
        self._database.write(lambda c: c.execute(sql, (submission, endpoint)))

    def note_answer(self, endpoint: str, answer: str, at: str) -> None:
        """Note the authority's answer."""
        sql = "UPDATE carried_renewals SET answer = ?, answered_at = ? WHERE endpoint = ?"
        self._database.write(lambda c: c.execute(sql, (answer, at, endpoint)))

    def _some(self, where: str, values: tuple[str, ...]) -> list[CarriedRenewal]:
        sql = f"SELECT endpoint, request, submission, answer FROM carried_renewals WHERE {where}"  # noqa: S608  (ours)
        return [CarriedRenewal(*each) for each in rows(self._database, sql, values)]
