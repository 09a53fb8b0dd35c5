"""From the outbox into the spool: each file is validated, its good rows become parcels, its bad rows wait for a person.

1. A file that has been still for a while is read. Its digest says whether it was taken before.
2. One transaction records the file, numbers its parcels and keeps them sealed.
3. Bad rows go to `rejected/` with their reasons, then the file itself goes to `done/`.

A kill after 2 is finished by the next look at the outbox: the file is known and only has to be moved. The same file put
there again later is turned away: it has been sent.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from renkei.agent import files
from renkei.agent.building import builders
from renkei.agent.home import Home, log, stamp
from renkei.agent.register.outgoing import Sorted, mode_of, sort
from renkei.agent.register.release import release
from renkei.agent.rejection import Refused, reason_text
from renkei.domain.layouts import Contents, Format, InvalidLayout, Rejection, read, rejected_part
from renkei.domain.notices import TYPES
from renkei.domain.notices_items import Finding
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.encoding import EncodingError
from renkei.exchange.parties import MINISTRY, InvalidParty, Party
from renkei.exchange.payloads import Stream
from renkei.store.outgoing import Source

FILE_LIMIT = 32 * 1024 * 1024
"""Bytes of an outbox file at most."""

STREAM: Stream = "notices"
STREAMS: tuple[Stream, ...] = ("notices", "results")
_SUFFIXES = frozenset(f".{each.value}" for each in Format)
_UNFINISHED = (".tmp", ".part", ".crdownload")


@dataclass(slots=True)
class Intake:
    """What one look at the outbox came to; `waiting` counts files that can't go on yet."""

    files: int = 0
    notices: int = 0
    rejected: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file of the outbox: where it lies, the folder below the outbox, whom it is for."""

    path: Path
    folder: str
    recipient: Party


@dataclass(slots=True)
class Watch:
    """Remembers files between looks, to tell those that are still being written."""

    stable_seconds: float
    _seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)
    _whole: set[Path] = field(default_factory=set)

    def vouch(self, paths: Iterable[Path]) -> None:
        """Know of files that they are whole: this program put them there."""
        self._whole.update(paths)

    def is_still(self, path: Path) -> bool:
        """Whether a file hasn't changed for `stable_seconds`, by its own time or by what was seen before."""
        status = path.stat()
        if path in self._whole:
            return True
        state, at = (status.st_size, status.st_mtime_ns), time.monotonic()
        before, since = self._seen.get(path, (None, at))
        if before != state:
            since = at
        self._seen[path] = (state, since)
        age = time.time() - status.st_mtime
        return age >= self.stable_seconds or at - since >= self.stable_seconds

    def forget_gone(self, present: set[Path]) -> None:
        """Let go of files that have left."""
        for path in self._seen.keys() - present:
            del self._seen[path]
        self._whole &= present


@dataclass(slots=True)
class Recipients:
    """The verified terminals to seal to, looked up once in a look at the outbox.

    Attributes:
        current: gives a party's, None when there is none yet: then what is for it waits.
        anew: asks the directory, when a file needs more than the party was known to read; None without a line.
    """

    current: Callable[[Party], VerifiedParty | None]
    anew: Callable[[Party], VerifiedParty | None] = lambda _party: None
    _found: dict[Party, VerifiedParty | None] = field(default_factory=dict)
    _asked: set[Party] = field(default_factory=set)

    def of(self, party: Party) -> VerifiedParty | None:
        """The party's terminal, as far as it is known."""
        if party not in self._found:
            self._found[party] = self.current(party)
        return self._found[party]

    def ask_anew(self, party: Party) -> VerifiedParty | None:
        """The party's terminal as the directory has it now; None when there is nothing new to learn."""
        if party in self._asked:
            return None
        self._asked.add(party)
        self._found[party] = self.anew(party) or self._found[party]
        return self._found[party]


def candidates(home: Home) -> Iterator[Candidate]:
    """The files of the outbox in the order of their names, those that can't be for anybody rejected on the way."""
    outbox = home.settings.outbox
    if not home.settings.is_ministry:
        yield from (Candidate(path, "", MINISTRY) for path in _visible(outbox) if path.is_file())
        return
    for place in _visible(outbox):
        try:
            recipient = Party(place.name)
        except InvalidParty:
            recipient = None
        if place.is_dir() and recipient is not None and recipient.is_endpoint:
            yield from (Candidate(path, place.name, recipient) for path in _visible(place) if path.is_file())
        else:
            home.alarm(
                "outbox", place.name, f"{place}: put files into a folder named by the recipient's six-digit code"
            )


def take_all(home: Home, watch: Watch, recipients: Recipients) -> Intake:
    """Take every file that is still.

    Args:
        home: of the agent.
        watch: what was seen of the outbox before.
        recipients: whom to seal to.
    """
    outcome, present = Intake(), set()
    settle_moved(home)
    for candidate in candidates(home):
        present.add(candidate.path)
        try:
            if not watch.is_still(candidate.path):
                outcome.waiting += 1
                continue
            _take(home, candidate, recipients, outcome)
        except FileNotFoundError:
            continue  # whoever put it there took it away again
        except PermissionError as error:
            outcome.waiting += 1
            home.alarm("outbox", candidate.path.name, f"{error.filename}: can't be read; check its owner")
    watch.forget_gone(present)
    return outcome


def settle_moved(home: Home) -> None:
    """Note files that had left the outbox when a kill kept the agent from noting it."""
    for source in home.spool.outgoing.unmoved():
        path = home.settings.outbox / source.folder / source.name
        content = files.read_bounded(path, FILE_LIMIT) if path.is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != source.sha256:
            home.spool.outgoing.mark_moved(source)


def _take(home: Home, candidate: Candidate, recipients: Recipients, outcome: Intake) -> None:
    if candidate.path.suffix.lower() not in _SUFFIXES:
        _refuse(home, candidate, Refused("CSVでもXMLでもありません。名前を.csv又は.xmlで終わらせてください。"))
        outcome.rejected += 1
        return
    content = files.read_bounded(candidate.path, FILE_LIMIT)
    if content is None:
        _refuse(home, candidate, Refused(f"ファイルが{FILE_LIMIT}バイトを超えています。分割してください。"))
        outcome.rejected += 1
        return
    sha256 = hashlib.sha256(content).hexdigest()
    known = home.spool.outgoing.source(sha256, candidate.folder)
    if known is not None and known[1]:
        _refuse(
            home, candidate, Refused(f"同じ内容のファイルを{known[0].taken_at}に受け付け済みです。再送は不要です。")
        )
        outcome.rejected += 1
        return
    try:
        contents = _read(home, candidate, content)
    except Refused as refused:
        _refuse(home, candidate, refused)
        outcome.rejected += 1
        return
    notices, rejections = contents.notices, contents.rejections
    if known is None:
        if notices and recipients.of(candidate.recipient) is None:
            outcome.waiting += 1
            return
        source = Source(sha256, candidate.folder, candidate.path.name, stamp(), len(notices), len(rejections))
        try:
            _send(home, source, candidate.recipient, contents, recipients)
        except EncodingError as error:  # what its recipient can read comes with its software: the file waits for that
            outcome.waiting += 1
            home.alarm("outbox", candidate.path.name, f"{candidate.path.name} waits: {error}")
            return
        home.spool.settle("outbox", candidate.path.name)
        outcome.files += 1
        outcome.notices += len(notices)
        outcome.rejected += len(rejections)
        log.info("%s: %d notices taken, %d rows rejected", source.name, len(notices), len(rejections))
    else:
        source = known[0]
    _move(home, candidate, source, content, contents)


def _send(home: Home, source: Source, party: Party, contents: Contents, recipients: Recipients) -> None:
    """Number and build the parcels of a file for what its recipient reads, which it may have declared only just now.

    Raises:
        EncodingError: the recipient can't read this type or item yet.
    """
    try:
        _build(home, source, party, contents, recipients.of(party))
    except EncodingError:
        newest = recipients.ask_anew(party)
        if newest is None:
            raise
        _build(home, source, party, contents, newest)


def _build(home: Home, source: Source, party: Party, contents: Contents, recipient: VerifiedParty | None) -> None:
    """Number and build the parcels of a file, together with its record and with what doesn't go now.

    Raises:
        EncodingError: the recipient isn't known to read this type or item.
    """
    mode = mode_of(home, source.name)
    plan = Sorted(at_once=contents.notices) if home.settings.is_ministry else sort(home, contents.notices, mode)
    if plan.promoted:
        release(home, plan.promoted, lambda _: recipient)
    made = builders(home, plan.at_once, recipient, mode) if recipient is not None else []
    home.spool.outgoing.take(source, party, contents.notice_type.STREAM, made, plan.note)
    for echo in plan.suppressed:
        log.info("%s repeats what %s told and isn't sent (施行令24条1項)", echo.number, echo.because_of)


def _read(home: Home, candidate: Candidate, content: bytes) -> Contents:
    """What a file holds; a notice about another endpoint than the folder's is rejected.

    Raises:
        Refused: the file as a whole can't be used.
    """
    ministry = home.settings.is_ministry
    endpoint = candidate.recipient if ministry else home.party
    expected = [each for each in TYPES if (each.TO_ENDPOINT if ministry else each.TO_MINISTRY)]
    try:
        contents = read(BytesIO(content), expected)
    except InvalidLayout as error:
        raise Refused(f"ファイルを読み取れません。{error}") from error
    if not contents.records and not contents.rejections:
        raise Refused("通知が1件もありません。")
    finding = Finding(
        "市区町村コード",
        "endpoint",
        "様式",
        f"市区町村コードは{endpoint}だけです。ほかの市区町村の通知は送信できません。",
    )
    own = [record for record in contents.records if record.notice.municipality == endpoint]
    foreign = [
        Rejection(record.position, record.line, (finding,), {})
        for record in contents.records
        if record.notice.municipality != endpoint
    ]
    rejections = sorted((*contents.rejections, *foreign), key=lambda rejection: rejection.position)
    return replace(contents, records=own, rejections=rejections)


def _move(home: Home, candidate: Candidate, source: Source, content: bytes, contents: Contents) -> None:
    settings = home.settings
    if contents.rejections:
        folder = _folder(settings.rejected, candidate.folder)
        target = _free_name(folder, candidate.path.name, source.sha256)
        files.put(target, rejected_part(content, contents.layout, contents.rejections), settings.staging)
        reason = reason_text(candidate.path.name, source.taken_at, source.good, contents.rejections)
        files.put(target.with_name(f"{target.name}.reason.txt"), reason, settings.staging)
    done = _folder(settings.done, candidate.folder)
    files.move(candidate.path, _free_name(done, candidate.path.name, source.sha256))
    home.spool.outgoing.mark_moved(source)


def _refuse(home: Home, candidate: Candidate, refused: Refused) -> None:
    folder = _folder(home.settings.rejected, candidate.folder)
    target = _free_name(folder, candidate.path.name, uuid4().hex)
    reason = reason_text(candidate.path.name, stamp(), 0, refused)
    files.put(target.with_name(f"{target.name}.reason.txt"), reason, home.settings.staging)
    files.move(candidate.path, target)
    log.warning("%s: rejected as a whole; the reason lies beside it in rejected/", candidate.path.name)


def _visible(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix.lower() not in _UNFINISHED and not path.is_symlink()
    )


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    return folder


def _free_name(folder: Path, name: str, digest: str) -> Path:
    path = folder / name
    return path if not path.exists() else path.with_name(f"{path.stem}.{digest[:8]}{path.suffix}")
