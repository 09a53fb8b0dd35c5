"""Which encodings a party reads: this one says so at contact and on media, and believes what others have signed.

A parcel is built in the highest version that its recipient's profile and this software have in common. Who has never
declared anything reads version 1. A profile is the word of a terminal: one that takes another's place begins anew.
"""

from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import version as version_of_package

from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, now
from renkei.client.errors import HubBusy, HubRefused, NotAllowed, NotFound
from renkei.exchange import encoding
from renkei.exchange.bindings import BindingError, DirectoryEntry, RevokedError, VerifiedParty
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import DocumentError, key_id, payload_sha256, peek
from renkei.exchange.encoding import EncodingError
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Profile
from renkei.store.profiles import KnownProfile

_OWN, _DECLARED = "profile", "profile_declared"
_SOFTWARE = version_of_package("renkei")


def own(home: Home) -> bytes:
    """This party's signed profile, made anew when software or key have changed.

    Raises:
        NotEnrolled: this machine can't sign yet.
    """
    known = home.spool.fact(_OWN)
    moment = whole_seconds(now())
    if known is not None:
        envelope = known.encode()
        before = Profile.read(peek(envelope).payload)  # our own, from our own spool
        same = (before.party, before.encodings, before.software) == (home.party, list(encoding.VERSIONS), _SOFTWARE)
        if same and peek(envelope).key_id == home.keys().signer.key_id:
            return envelope
        moment = max(moment, before.declared_at + timedelta(seconds=1))
    profile = Profile(party=home.party, encodings=list(encoding.VERSIONS), software=_SOFTWARE, declared_at=moment)
    made = profile.sign(home.keys().signer)
    home.spool.note(**{_OWN: made.decode()})
    return made


def declare(home: Home, contact: Contact) -> None:
    """Tell the hub what this party reads, unless it knows; a restored hub may have forgotten it."""
    envelope = own(home)
    mark = f"{contact.epoch} {payload_sha256(envelope)}"
    if home.spool.fact(_DECLARED) == mark:
        return
    try:
        contact.client.put_profile(home.party, envelope)
    except NotFound:
        log.info("the hub doesn't know profiles yet; what is for this party comes in version 1 of the encoding")
        return
    except (NotAllowed, HubBusy):
        raise
    except HubRefused as error:
        home.alarm("profile", home.party, f"the hub refused this party's profile: {error}")
        return
    home.spool.settle("profile", home.party)
    home.spool.note(**{_DECLARED: mark})


def learn(home: Home, party: Party, envelope: bytes, entries: Sequence[DirectoryEntry]) -> None:
    """Remember a profile that the directory gave along with a party's entries, if one of them signed it."""
    try:
        claimed = peek(envelope).key_id
        for entry in entries:
            try:
                signer = home.anchor.verify_entry(entry, now(), party)
            except RevokedError:
                continue  # the directory is told of it (`directory.learn`)
            if key_id(signer.signing_public_key) == claimed:
                take(home, envelope, signer)
                home.spool.settle("profile", party)
                return
        log.info("the profile of %s is of a terminal that it no longer has", party)
    except (BindingError, DocumentError) as error:
        home.alarm("profile", party, f"the profile of {party} can't be believed: {error}")


def take(home: Home, envelope: bytes, signer: VerifiedParty) -> None:
    """Remember a profile that a party signed, unless a newer one is known.

    Raises:
        DocumentError: the signature doesn't hold, or it speaks for another party.
    """
    profile = Profile.open(envelope, signer.signing_public_key)
    if profile.party != signer.party:
        raise DocumentError(f"{signer.party} signed a profile in the name of {profile.party}")
    home.spool.profiles.keep(
        KnownProfile(
            party=profile.party,
            terminal=signer.terminal,
            encodings=tuple(profile.encodings),
            software=profile.software,
            declared_at=format_time(profile.declared_at),
            envelope=envelope,
        )
    )


def version_for(home: Home, recipient: VerifiedParty) -> int:
    """The highest version of the encoding that the recipient's terminal reads and this software writes.

    Raises:
        EncodingError: there is none.
    """
    known = home.spool.profiles.newest(recipient.party)
    if known is None or known.terminal != recipient.terminal:
        return encoding.FIRST
    common = set(known.encodings) & set(encoding.VERSIONS)
    if not common:
        raise EncodingError(
            f"{recipient.party} reads the versions {known.encodings} of the encoding, this software writes "
            f"{encoding.VERSIONS}; install the newest release"
        )
    return max(common)
