"""What came from terminals: read, verified from the root down, kept. A document that was kept before costs a look.

A file is JSON `{"entry": directory entry, "envelope": signed document}`, as the hub's answers, media and the signed
catalogue have it. What the hub has is read by `line`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty
from renkei.exchange.documents import DocumentError, Kind, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.payloads import Payload
from renkei.exchange.signed import Signed
from renkei.exchange.updates import Catalogue, PatchState
from renkei.fleet.signed import read_signed
from renkei.fleet.waves.post import ARRIVING, SETTLED
from renkei.store.patch_states import Evidence, Kept, PatchStates, Reached

AHEAD: Final = timedelta(minutes=15)
"""How far a machine's clock may be ahead of ours before it is named."""
_BATCH: Final = 256
Said = TypeVar("Said", bound=Payload)


@dataclass(frozen=True, slots=True)
class Refused:
    """What couldn't be believed: where it came from, and why."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """How many documents were new, how many were known, whose clock is ahead (`CODE/TERMINAL`), what was refused."""

    new: int
    known: int
    ahead: tuple[str, ...]
    refused: tuple[Refused, ...]


class Believer:
    """Verifies what machines signed. An entry that held at two moments holds between them: no step of it reopens."""

    def __init__(self, anchor: TrustAnchor) -> None:
        """Believe by a root, and by the list of revoked certificates that it has taken."""
        self._anchor = anchor
        self._held: dict[bytes, tuple[VerifiedParty, datetime, datetime]] = {}

    def open(self, entry: bytes, envelope: bytes, until: datetime) -> PatchState:
        """Return a patch state once it is the word of a machine whose certificate was good when it spoke.

        Args:
            entry: the signer's directory entry, as JSON.
            envelope: as it came.
            until: it was said by then, whatever its clock says; aware.

        Raises:
            ExchangeError: it isn't; the text says why.
        """
        said = PatchState.read(peek(envelope).payload)
        party = self._party(entry, min(said.checked_at, until))
        state = PatchState.open(envelope, party.signing_public_key)
        if (state.endpoint, state.terminal) != (party.party, party.terminal):
            raise DocumentError(
                f"{party.party}/{party.terminal} signed what is said of {state.endpoint}/{state.terminal}"
            )
        return state

    def catalogue(self, signed: Signed) -> Catalogue:
        """Return a catalogue once it is the authority's.

        Raises:
            ExchangeError: it isn't.
        """
        return self.of_authority(signed, Catalogue, lambda said: said.issued_at)

    def of_authority(self, signed: Signed, kind: type[Said], said_at: Callable[[Said], datetime]) -> Said:
        """Return a document once it is the authority's, whose certificate was good when it was said.

        Args:
            signed: the document, with its signer's entry.
            kind: what it must be.
            said_at: the moment at which it was said, read from it.

        Raises:
            ExchangeError: it isn't.
        """
        at = said_at(kind.read(peek(signed.envelope).payload))
        party = self._party(signed.entry.to_json(), at)
        if party.party != AUTHORITY:
            raise DocumentError(f"the {kind.KIND} is signed by {party.party}, not by {AUTHORITY}")
        return kind.open(signed.envelope, party.signing_public_key)

    def _party(self, entry: bytes, at: datetime) -> VerifiedParty:
        digest = sha256(entry).digest()
        if digest in self._held:
            party, first, last = self._held[digest]
            if first <= at <= last:
                return party
        else:
            first = last = at
        party = self._anchor.verify_entry(DirectoryEntry.from_json(entry), at)
        self._held[digest] = party, min(first, at), max(last, at)
        return party


class Taking:
    """What one run has taken so far; `keep` puts what was looked at since the last one into the store, in a commit."""

    def __init__(self, states: PatchStates, believer: Believer, now: datetime) -> None:
        """Begin."""
        self._states, self._believer, self._now = states, believer, now
        self._new = self._known = 0
        self._ahead: dict[str, None] = {}
        self._refused: list[Refused] = []
        self._batch: list[tuple[Evidence, str]] = []
        self._met: list[str] = []

    def look(self, place: str, entry: DirectoryEntry, envelope: bytes) -> None:
        """Believe a document, know it already, or note why it is refused.

        Args:
            place: where it lies, for people.
            entry: its signer's.
            envelope: as it came.
        """
        try:
            self._believe(entry.to_json(), envelope)
        except ExchangeError as error:
            self.refuse(place, error)

    def read(self, files: Iterable[Path]) -> None:
        """Look at files, and keep what they have.

        Raises:
            StoreError: see `keep`.
            OSError: a file can't be read.
        """
        for file in files:
            try:
                signed = read_signed(file)
            except FileNotFoundError:
                continue  # whoever else reads this folder has settled it
            except ExchangeError as error:
                self.refuse(str(file), error)
                continue
            self.look(str(file), signed.entry, signed.envelope)
            if len(self._batch) == _BATCH:
                self.keep()
        self.keep()

    def refuse(self, place: str, error: ExchangeError | str) -> None:
        """Note what can't be believed, or isn't taken, and why."""
        self._refused.append(Refused(place, str(error)))

    def keep(self, reached: Reached | None = None) -> None:
        """Put what was believed into the store, with how far a hub was read.

        Raises:
            StoreError: it can't commit; what was kept before is kept.
        """
        if self._batch or reached is not None:
            self._new += self._states.keep(self._batch, reached, self._met)
        self._batch, self._met = [], []

    def left(self) -> Iterator[list[tuple[int, Evidence]]]:
        """Yield, some at a time, what no hub was seen to have and would keep: from files, or forgotten by a restore."""
        self._states.pass_over()
        after = 0
        while found := self._states.not_at_hub(after, _BATCH):
            after = found[-1][0]
            yield found

    def handed(self, numbers: list[int]) -> None:
        """Note what a hub has now."""
        self._states.note_at_hub(numbers)

    def reached(self, source: str) -> Reached | None:
        """How far a hub was read; None before the first time."""
        return self._states.reached(source)

    def begin_epoch(self, source: str, epoch: int) -> None:
        """Note that a hub was restored: it is read from its beginning, and what it has forgotten is handed in again."""
        self._states.begin_epoch(source, epoch)

    @property
    def taken(self) -> Taken:
        """What came of it up to the last `keep`."""
        return Taken(self._new, self._known, tuple(self._ahead), tuple(self._refused))

    def _believe(self, entry: bytes, envelope: bytes) -> None:
        claimed = peek(envelope)
        if claimed.kind is not Kind.PATCH_STATE:
            raise DocumentError(f"holds a {claimed.kind}, not a {Kind.PATCH_STATE}")
        if self._states.has(claimed.payload_sha256):
            self._known += 1
            self._met.append(claimed.payload_sha256)
            return
        state = self._believer.open(entry, envelope, self._now)
        if state.checked_at > self._now + AHEAD:
            self._ahead[f"{state.endpoint}/{state.terminal}"] = None
        kept = _kept(state, min(state.checked_at, self._now), claimed.payload_sha256)
        self._batch.append((Evidence(kept, envelope, entry), sha256(entry).hexdigest()))


def files_of(folder: Path) -> Iterator[Path]:
    """Yield a folder's documents in the order of their names.

    A wave's post has two folders of them: what is to be read by the wave yet, then what it has read. The second is
    looked into once the first is through, so that what moves from one to the other meanwhile is found.
    """
    for part in [each for each in (folder / ARRIVING, folder / SETTLED) if each.is_dir()] or [folder]:
        yield from sorted(part.glob("[!.]*.json"))


def _kept(state: PatchState, said_at: datetime, payload_sha256: str) -> Kept:
    return Kept(
        endpoint=state.endpoint,
        terminal=state.terminal,
        stage=state.stage,
        said_at=int(said_at.timestamp()),
        build=state.build,
        catalogue=state.catalogue,
        installed=tuple(state.installed),
        missing=tuple(state.missing),
        problem=state.problem,
        payload_sha256=payload_sha256,
        patterns=state.patterns.version if state.patterns else None,
        patterns_made_at=int(state.patterns.made_at.timestamp()) if state.patterns else None,
    )
