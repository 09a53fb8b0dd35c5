"""Carries notices between the immigration system's drop and the ministry's agent, each exactly once.

    drop/to-municipalities/*.csv    → agent/outbox/CODE/   one file a municipality, by 市区町村コード
    agent/inbox/CODE/*.csv          → drop/from-municipalities/   one file for all

Both sides write a layout of `renkei.domain.layouts`, which is recognised by itself; what the immigration system gets is
in the layout of the settings, a file a type of notice. A file is taken once its name ends in .csv or .xml and it has
been still for a while. Rows that are no notices lie in `drop/to-municipalities/rejected/` with their reasons beside
them; a row from a municipality that speaks for another one stays in the connector's own `rejected/`, and is an alarm.
"""

import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from renkei.domain.layouts import (
    MAX_ROWS,
    Contents,
    Format,
    InvalidLayout,
    Layout,
    Record,
    Rejection,
    read,
    rejected_part,
    write,
    write_anyway,
)
from renkei.domain.notices import TYPES, Notice
from renkei.domain.notices_items import Finding
from renkei.exchange.clock import format_time
from renkei.ministry.files import FileRefusedError, read_bounded, replace, sync_directories
from renkei.ministry.handover import Handover, Input, Output
from renkei.ministry.reasons import reasons_for_file, reasons_for_rows
from renkei.ministry.service import ALARM, Backoff, Stop, notify
from renkei.ministry.settings import ConnectorSettings, SettingsError, load_terminals
from renkei.store.errors import StoreError

log = logging.getLogger("renkei.connector")

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes of a file that is taken at most, and of all that are merged into one."""

MARK = ".published.json"
"""In the agent's outbox: up to which moment it is complete, and for which endpoints (docs/topology.md)."""

_MARK_MODE = 0o640
_MARK_SECONDS = 15.0
_MERGED_FILES = 500
_SHOWN = 0o644  # the folder says who may look into it
_LONGEST_WAIT = 300.0
_SUFFIXES = frozenset(f".{each.value}" for each in Format)
_OWN = Layout()
"""What goes to the agent on the same machine: it holds everything."""


class AnotherConnectorError(Exception):
    """Another connector works on the same folders."""


@dataclass(slots=True)
class _Merge:
    """What one merged file is made of."""

    inputs: list[Input] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.inputs) >= _MERGED_FILES or self.size >= FILE_LIMIT or len(self.notices) >= MAX_ROWS


class Connector:
    """The two ways, one file or one merge at a time."""

    def __init__(self, settings: ConnectorSettings, *, at: Callable[[str], None] = lambda _moment: None) -> None:
        """Open the folders.

        Args:
            settings: where everything is.
            at: called between two durable steps with the moment's name; tests kill there.

        Raises:
            AnotherConnectorError: one is running.
            OSError: a folder is missing or not ours to write.
            StoreError: the record of what was handed over can't be opened.

        """
        self._settings = settings
        self._drop = settings.drop / "to-municipalities"
        self._collected = settings.drop / "from-municipalities"
        self._taken = self._drop / ".taken"
        self._rejected = self._drop / "rejected"
        self._suspicious = settings.state / "rejected"
        self._outbox = settings.agent / "outbox"
        self._inbox = settings.agent / "inbox"
        self._at = at
        self._alarmed: set[str] = set()
        self._mark_after = 0.0
        private, shown = 0o700, 0o755
        for folder, mode in (
            (settings.state, private),
            (self._suspicious, private),
            (self._taken, private),
            (self._rejected, shown),
        ):
            if not folder.is_dir():
                folder.mkdir(mode=mode)
                folder.chmod(mode)  # whatever the umask is
        self._lock = _lock(settings.state / "lock")
        self._handover = Handover(settings.state / "handover.db", at=at)

    def close(self) -> None:
        """Let go of the folders."""
        self._handover.close()
        os.close(self._lock)

    def run(self, stop: Stop) -> None:
        """Carry what comes until asked to stop; a full disk or a missing folder is waited out."""
        backoff = Backoff(self._settings.poll_seconds, _LONGEST_WAIT)
        notify("READY=1")
        while not stop.asked:
            try:
                self.run_once()
            except (OSError, StoreError, SettingsError) as error:
                log.error("%s; trying again", error)  # noqa: TRY400 - its traceback says nothing to an operator
                stop.wait(backoff.failed())
            else:
                backoff.succeeded()
                stop.wait(self._settings.poll_seconds)

    def run_once(self) -> int:
        """Carry what is there, both ways, after finishing what was interrupted; return how many files were taken.

        Raises:
            OSError, StoreError: a file couldn't be written or moved; what was begun is finished by the next call.
            SettingsError: the inventory snapshot can't be read.

        """
        endpoints = sorted(path for path in self._outbox.iterdir() if path.is_dir())
        if finished := self._handover.recover([self._rejected, self._collected, self._suspicious, *endpoints]):
            log.info("finished %d hand-overs that were interrupted", finished)
        return self.distribute() + self.collect()

    # from the immigration system to municipalities

    def distribute(self) -> int:
        """Split what the immigration system dropped; return how many files were taken."""
        known = {terminal.endpoint for terminal in load_terminals(self._settings.terminals)} - {"ministry"}
        count, begin = 0, time.time()
        for path in sorted(self._taken.iterdir()):  # what a kill interrupted
            count += self._distribute(path, known)
        for path in self._still(self._drop):
            taken = self._taken / path.name
            path.rename(taken)
            self._at("taken")
            count += self._distribute(taken, known)
        self._mark(begin, known)
        return count

    def _mark(self, begin: float, known: set[str]) -> None:
        """Tell the agent up to which moment all that the immigration system handed over lies in its outbox."""
        if time.monotonic() < self._mark_after:
            return
        self._mark_after = time.monotonic() + _MARK_SECONDS
        waiting = (path.stat().st_ctime for path in self._drop.iterdir() if _is_notices(path))
        moment = datetime.fromtimestamp(int(min([begin, *waiting])) - 1, UTC)
        mark = {"published_up_to": format_time(moment), "endpoints": sorted(known)}
        replace(self._outbox / MARK, json.dumps(mark).encode(), _MARK_MODE)

    def _distribute(self, path: Path, known: set[str]) -> int:
        try:
            content = read_bounded(path, FILE_LIMIT)
            contents = read(BytesIO(content), [each for each in TYPES if each.TO_ENDPOINT])
        except (FileRefusedError, InvalidLayout) as error:
            self._refuse(path, str(error))
            return 1
        item = Input.of(path, path.name, content)
        if self._handover.was_taken(item, self._outbox):
            log.warning("%s: came before with the same content and was handed over then; dropped", path.name)
            path.unlink()
            sync_directories([path.parent])
            return 1
        parts: dict[str, list[Notice]] = {}
        rejections = contents.rejections
        for record in contents.records:
            code = record.notice.municipality
            if code in known:
                parts.setdefault(code, []).append(record.notice)
            else:
                rejections.append(_foreign(record, f"{code}は連携先の市区町村ではありません。"))
        name = _safe_name(path.name, _OWN.suffix)
        outputs = [Output(self._endpoint_folder(code), name, write(part, _OWN)) for code, part in parts.items()]
        accepted = sum(len(part) for part in parts.values())
        outputs += _rejected(self._rejected, path.name, content, accepted, contents)
        self._handover.hand_over([item], outputs)
        log.info("%s: %d notices to %d municipalities, %d rejected", path.name, accepted, len(parts), len(rejections))
        return 1

    def _refuse(self, path: Path, why: str) -> None:
        name = f"{int(time.time())}-{_safe_name(path.name)}"
        replace(self._rejected / f"{name}.reason.txt", reasons_for_file(path.name, why), _SHOWN)
        path.rename(self._rejected / name)
        sync_directories([self._rejected, path.parent])
        log.warning("%s: rejected as a whole: %s", path.name, why)

    def _endpoint_folder(self, code: str) -> Path:
        folder = self._outbox / code
        if not folder.is_dir():
            folder.mkdir(mode=0o770)
            sync_directories([self._outbox])
        return folder

    # from municipalities to the immigration system

    def collect(self) -> int:
        """Merge what municipalities sent; return how many files were taken."""
        count = 0
        merge = _Merge()
        for path in self._arrived():
            self._add(merge, path)
            if merge.full:
                count += self._hand_over(merge)
                merge = _Merge()
        return count + self._hand_over(merge)

    def _arrived(self) -> Iterator[Path]:
        for folder in sorted(self._inbox.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield from (path for path in sorted(folder.iterdir()) if _is_notices(path))

    def _add(self, merge: _Merge, path: Path) -> None:
        sender = path.parent.name
        try:
            content = read_bounded(path, FILE_LIMIT)
        except FileRefusedError as error:
            self._alarm_once(str(error))
            return
        label = f"{sender}-{_safe_name(path.name)}"
        try:
            contents = read(BytesIO(content), [each for each in TYPES if each.TO_MINISTRY])
        except InvalidLayout as error:
            log.log(ALARM, "%s: what municipality %s sent can't be read: %s", path.name, sender, error)
            merge.outputs += [
                Output(self._suspicious, label, content),
                Output(self._suspicious, f"{label}.reason.txt", reasons_for_file(path.name, str(error))),
            ]
        else:
            own = self._own(contents, sender)
            if contents.rejections:
                count = len(contents.rejections)
                log.log(ALARM, "%s: %d rows of municipality %s were rejected", path.name, count, sender)
            merge.outputs += _rejected(self._suspicious, label, content, len(own), contents)
            merge.notices += own
        merge.inputs.append(Input.of(path, f"{sender}/{path.name}", content))
        merge.size += len(content)

    def _own(self, contents: Contents, sender: str) -> list[Notice]:
        """Return what a municipality says of itself; what it says of another is rejected."""
        own: list[Notice] = []
        for record in contents.records:
            code = record.notice.municipality
            if code == sender:
                own.append(record.notice)
            else:
                contents.rejections.append(_foreign(record, f"{sender}から{code}の通知は受け付けません。"))
        return own

    def _hand_over(self, merge: _Merge) -> int:
        if not merge.inputs:
            return 0
        outputs = []
        for kind in TYPES:
            notices = [notice for notice in merge.notices if isinstance(notice, kind)]
            if notices:
                content, why = write_anyway(notices, self._settings.layout)
                if why is not None:
                    log.log(ALARM, "notices of municipalities are handed over in UTF-8: %s", why)
                name = f"{kind.NAME}{self._settings.layout.suffix}"
                outputs.append(Output(self._collected, name, content))
        self._handover.hand_over(merge.inputs, [*outputs, *merge.outputs])
        log.info("%d notices of municipalities in %d files", len(merge.notices), len(merge.inputs))
        return len(merge.inputs)

    def _still(self, folder: Path) -> list[Path]:
        """Return the files of notices that nobody has written to for a while, in the order in which they came."""
        latest = time.time() - self._settings.settle_seconds
        found = []
        for path in folder.iterdir():
            if _is_notices(path) and (status := path.stat()).st_mtime <= latest:
                if os.access(path, os.R_OK):
                    found.append((status.st_mtime_ns, path))
                else:
                    self._alarm_once(f"{path}: can't be read; let the connector's group read it")
        return [path for _, path in sorted(found)]

    def _alarm_once(self, text: str) -> None:
        if text not in self._alarmed:
            self._alarmed.add(text)
            log.log(ALARM, "%s", text)


def _foreign(record: Record, message: str) -> Rejection:
    finding = Finding("市区町村コード", "endpoint", "様式", message)
    return Rejection(record.position, record.line, (finding,), {"通知番号": record.notice.number})


def _rejected(folder: Path, name: str, content: bytes, accepted: int, contents: Contents) -> list[Output]:
    if not contents.rejections:
        return []
    in_order = sorted(contents.rejections, key=lambda each: each.position)
    safe = _safe_name(name)
    return [
        Output(folder, safe, rejected_part(content, contents.layout, in_order), _SHOWN),
        Output(folder, f"{safe}.reason.txt", reasons_for_rows(name, accepted, in_order), _SHOWN),
    ]


def _is_notices(path: Path) -> bool:
    named = path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    return named and path.is_file() and not path.is_symlink()


def _safe_name(name: str, suffix: str = "") -> str:
    """Return a name that no shell and no file system stumbles over, by default with the suffix that it has."""
    path = Path(name)
    stem = re.sub(r"[^0-9A-Za-z._-]", "_", path.stem)[:60]
    return f"{stem or 'file'}{suffix or path.suffix.lower()}"


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AnotherConnectorError(f"{path.parent}: another connector is running") from error
    return descriptor
