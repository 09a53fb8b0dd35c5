"""Profiles: what each party says it reads; the newest word of each."""

from renkei.exchange.parties import MINISTRY
from renkei.store.hub.contract import Profile
from renkei.store.hub.journal import Journal
from renkei.store.hub.transaction import Transaction


def put(transaction: Transaction, profile: Profile, at: int) -> bool:
    """Keep a profile unless one that is as new is there."""
    changed = transaction.execute(
        "INSERT INTO profiles VALUES (?, ?, ?) ON CONFLICT (party) DO UPDATE SET"
        " declared_at = excluded.declared_at, envelope = excluded.envelope"
        " WHERE excluded.declared_at > profiles.declared_at",
        (profile.party, profile.declared_at, profile.envelope),
    )
    if not changed:
        return False
    Journal(transaction).append("profile", profile.party, profile.envelope, at)
    transaction.tell(MINISTRY)
    return True


def newest(transaction: Transaction, party: str) -> bytes | None:
    """Return the envelope of a party's newest profile."""
    row = transaction.one("SELECT envelope FROM profiles WHERE party = ?", (party,))
    return None if row is None else bytes(row[0])
