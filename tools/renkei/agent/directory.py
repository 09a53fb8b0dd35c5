"""Whom the agent deals with: entries are verified from the root down, and the newest of each party is remembered.

The directory is the hub's, so nothing in it is believed by itself. What was verified once also serves without a line:
parcels are sealed to the remembered entry, and sealed anew when the recipient turns out to have another one.
"""

from collections.abc import Sequence
from datetime import timedelta

from renkei.agent import profiles
from renkei.agent.home import Home, now, stamp
from renkei.client.errors import NotFound
from renkei.client.hub import HubClient
from renkei.exchange.bindings import BindingError, DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.clock import parse_time
from renkei.exchange.parties import Party
from renkei.store.spool import Peer

_UNDECLARED = timedelta(seconds=10)
"""How long an entry counts whose party's profile isn't known: it may declare one any time."""


def refresh(home: Home, hub: HubClient, party: Party) -> VerifiedParty | None:
    """Ask the hub for a party's entries and remember the newest; None, with an alarm, when none can be used."""
    try:
        answer = hub.directory(party)
        entries, profile = answer.entries, answer.profile
    except NotFound:
        entries, profile = (), None
    if not entries:
        home.alarm("no-binding", party, f"{party} has no terminal in the directory yet; what is for it waits")
        return None
    if profile is not None:
        profiles.learn(home, party, profile, entries)
    return learn(home, entries, party)


def current(home: Home, hub: HubClient, party: Party) -> VerifiedParty | None:
    """The party as it was verified a short while ago, or else as the hub's directory has it now.

    What is sealed to a terminal that was replaced in between is turned away by the hub, and sealed anew.
    """
    known = home.spool.peer(party)
    fresh = timedelta(seconds=home.settings.exchange.directory_seconds)
    if home.spool.profiles.newest(party) is None:
        fresh = min(fresh, _UNDECLARED)  # met before it had said what it reads: what needs that waits for it
    if known is not None and now() - parse_time(known.seen_at) < fresh:
        found = recall(home, party)
        if found is not None:
            return found
    return refresh(home, hub, party)


def learn(home: Home, entries: Sequence[DirectoryEntry], party: Party) -> VerifiedParty | None:
    """Verify entries of one party and remember the newest; None, with an alarm, when they can't be believed."""
    known = home.spool.peer(party)
    try:
        chosen = home.anchor.choose(entries, now(), party, known.generation if known else 0)
    except BindingError as error:
        home.alarm("directory", party, str(error))
        return None
    if known and known.generation == chosen.generation and known.certificate_sha256 != chosen.fingerprint:
        home.alarm(
            "directory", party, f"two terminals hold generation {chosen.generation} of {party}; one isn't genuine"
        )
        return None
    entry = next(e for e in entries if fingerprint(certificate_from_pem(e.certificate)) == chosen.fingerprint)
    home.spool.pin(Peer(party, chosen.generation, chosen.fingerprint, entry.to_json().decode(), stamp()))
    home.spool.settle("no-binding", party)
    home.spool.settle("directory", party)
    return chosen


def recall(home: Home, party: Party) -> VerifiedParty | None:
    """The party as it was last verified, if that still holds today."""
    known = home.spool.peer(party)
    if known is None:
        return None
    try:
        return home.anchor.verify_entry(DirectoryEntry.from_json(known.entry), now(), party)
    except BindingError:
        return None
