"""From the immigration system to municipalities: a file is split by municipality, in its order.

What it says is also what the connector learns: results settle the notices that municipalities sent, and whoever a
法務省通知 is about is known to the immigration system from then on.
"""

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path

import apsw

from renkei.domain.layouts import Contents, InvalidLayout, Layout, read, write
from renkei.domain.notices import TYPES, ImportResult, Notice, StatusNotice
from renkei.ministry.cases import Cases
from renkei.ministry.files import FileRefusedError, read_bounded, replace, sync_directories
from renkei.ministry.folders import FILE_LIMIT, SHOWN, Folders, foreign, is_notices, rejection_outputs, safe_name
from renkei.ministry.handover import Handover, Input, Output
from renkei.ministry.reasons import reasons_for_file
from renkei.ministry.replies import ask_again, keep
from renkei.ministry.service import AlarmOnce

log = logging.getLogger("renkei.connector")

_OWN = Layout()
"""What goes to the agent on the same machine: it holds everything."""

_EXPECTED = [each for each in TYPES if each.TO_ENDPOINT]


class Distribution:
    """The way out."""

    def __init__(
        self,
        folders: Folders,
        handover: Handover,
        cases: Callable[[apsw.Connection], Cases],
        alarm: AlarmOnce,
        at: Callable[[str], None],
    ) -> None:
        """Prepare to work.

        Args:
            folders: where files lie.
            handover: the batches.
            cases: opens the cases within a transaction.
            alarm: tells a person.
            at: called between two durable steps.
        """
        self._folders, self._handover, self._cases, self._alarm, self._at = folders, handover, cases, alarm, at

    def run(self, known: set[str], settle_seconds: float, now: datetime) -> int:
        """Split what was dropped; return how many files were taken.

        Args:
            known: codes of the endpoints that are served.
            settle_seconds: for so long nobody must have written to a file.
            now: the time.
        """
        count = 0
        for path in sorted(self._folders.taken.iterdir()):  # what a kill interrupted
            count += self._distribute(path, known, now)
        for path in self._still(settle_seconds):
            taken = self._folders.taken / path.name
            path.rename(taken)
            self._at("taken")
            count += self._distribute(taken, known, now)
        return count

    def _distribute(self, path: Path, known: set[str], now: datetime) -> int:
        try:
            content = read_bounded(path, FILE_LIMIT)
            contents = read(BytesIO(content), _EXPECTED)
        except (FileRefusedError, InvalidLayout) as error:
            self._refuse(path, str(error))
            return 1
        item = Input.of(path, path.name, content)
        if self._handover.was_taken(item, self._folders.outbox):
            log.warning("%s: came before with the same content and was handed over then; dropped", path.name)
            path.unlink()
            sync_directories([path.parent])
            return 1
        parts = _by_municipality(contents, known)
        name = safe_name(path.name, _OWN.suffix)
        outputs = [Output(self._folders.endpoint(code), name, write(part, _OWN)) for code, part in parts.items()]
        notices = [notice for part in parts.values() for notice in part]
        outputs += rejection_outputs(self._folders.rejected, path.name, content, len(notices), contents)
        self._handover.hand_over([item], outputs, lambda connection: self._learn(connection, notices, now))
        what = contents.notice_type.TYPE
        counts = (len(notices), what, len(parts), len(contents.rejections))
        log.info("%s: %d %s to %d municipalities, %d rejected", path.name, *counts)
        return 1

    def _learn(self, connection: apsw.Connection, notices: list[Notice], now: datetime) -> None:
        cases = self._cases(connection)
        for step in cases.answered(each for each in notices if isinstance(each, ImportResult)):
            if cases.asked(step, now):
                keep(connection, ask_again(step.place, step.number))
        if again := cases.said((each for each in notices if isinstance(each, StatusNotice)), now):
            log.info("%d notices about people who were unknown are offered again", again)

    def _refuse(self, path: Path, why: str) -> None:
        rejected = self._folders.rejected
        name = f"{int(time.time())}-{safe_name(path.name)}"
        replace(rejected / f"{name}.reason.txt", reasons_for_file(path.name, why), SHOWN)
        path.rename(rejected / name)
        sync_directories([rejected, path.parent])
        log.warning("%s: rejected as a whole: %s", path.name, why)

    def _still(self, settle_seconds: float) -> list[Path]:
        """Return the files that nobody has written to for a while, in the order in which they came."""
        latest = time.time() - settle_seconds
        found = []
        for path in self._folders.dropped.iterdir():
            if is_notices(path) and (status := path.stat()).st_mtime <= latest:
                if os.access(path, os.R_OK):
                    found.append((status.st_mtime_ns, path))
                else:
                    self._alarm(f"{path}: can't be read; let the connector's group read it")
        return [path for _, path in sorted(found)]


def _by_municipality(contents: Contents, known: set[str]) -> dict[str, list[Notice]]:
    parts: dict[str, list[Notice]] = {}
    for record in contents.records:
        code = record.notice.municipality
        if code in known:
            parts.setdefault(code, []).append(record.notice)
        else:
            contents.rejections.append(foreign(record, f"{code}は連携先の市区町村ではありません。"))
    return parts
