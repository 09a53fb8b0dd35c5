"""From municipalities to the immigration system: files are taken into the cases, and go on merged by person.

1. A file of the agent's inbox is read; its notices are noted in the cases in the transaction that takes the file.
2. `merge` says which notices go on. They are written to files of one type each, whose names sort in the order in which
   they are to be imported, and noted as handed on in the transaction that decides the files.

Results and inquiries (取込結果, 照会) are about notices and not about lives: they go on at once.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw

from renkei.domain.layouts import MAX_ROWS, Contents, InvalidLayout, Layout, read, write_anyway
from renkei.domain.notices import TYPES, Inquiry, Notice
from renkei.domain.notices.results import STATE
from renkei.ministry.cases import Cases
from renkei.ministry.files import FileRefusedError, read_bounded
from renkei.ministry.folders import FILE_LIMIT, Folders, foreign, is_notices, rejection_outputs, safe_name
from renkei.ministry.handover import Handover, Input, Output
from renkei.ministry.merge import Hold, Reason, Release, Terms, Verdict
from renkei.ministry.reasons import reasons_for_file
from renkei.ministry.replies import answer, ask_again, keep, refusal
from renkei.ministry.runs import Key, runs
from renkei.ministry.service import ALARM, AlarmOnce

log = logging.getLogger("renkei.connector")

_EXPECTED = [each for each in TYPES if each.TO_MINISTRY]
_FILES_AT_ONCE = 500
_NOTICES_AT_ONCE = 20_000
_JAPAN = ZoneInfo("Asia/Tokyo")


@dataclass(slots=True)
class _Batch:
    """Files that are taken together."""

    inputs: list[Input] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.inputs) >= _FILES_AT_ONCE or self.size >= FILE_LIMIT or len(self.notices) >= MAX_ROWS


@dataclass(frozen=True, slots=True)
class _Judged:
    """A person's verdict with the notices that it lets go."""

    verdict: Verdict
    notices: list[Notice]


class Collection:
    """The way in."""

    def __init__(
        self,
        folders: Folders,
        handover: Handover,
        cases: Callable[[apsw.Connection], Cases],
        alarm: AlarmOnce,
        terms: Terms,
        layout: Layout,
    ) -> None:
        """Prepare to work.

        Args:
            folders: where files lie.
            handover: the batches.
            cases: opens the cases within a transaction.
            alarm: tells a person.
            terms: how long a notice waits for another.
            layout: in which the immigration system reads.
        """
        self._folders, self._handover, self._cases, self._alarm = folders, handover, cases, alarm
        self._terms, self._layout = terms, layout
        self._holds: list[Hold] = []

    def run(self, served: set[str], now: datetime) -> int:
        """Take what came, and hand on what may go; return how many files were taken.

        Args:
            served: codes of the municipalities with a terminal in service.
            now: the time.
        """
        count, batch = 0, _Batch()
        for path in self._arrived():
            self._add(batch, path)
            if batch.full:
                count += self._take(batch, now)
                batch = _Batch()
        count += self._take(batch, now)
        while self._hand_on(served, now):
            pass
        return count

    # taking

    def _arrived(self) -> Iterator[Path]:
        for folder in sorted(self._folders.inbox.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield from (path for path in sorted(folder.iterdir()) if is_notices(path))

    def _add(self, batch: _Batch, path: Path) -> None:
        sender = path.parent.name
        try:
            content = read_bounded(path, FILE_LIMIT)
        except FileRefusedError as error:
            self._alarm(str(error))
            return
        label = f"{sender}-{safe_name(path.name)}"
        suspicious = self._folders.suspicious
        try:
            contents = read(BytesIO(content), _EXPECTED)
        except InvalidLayout as error:
            log.log(ALARM, "%s: what municipality %s sent can't be read: %s", path.name, sender, error)
            batch.outputs += [
                Output(suspicious, label, content),
                Output(suspicious, f"{label}.reason.txt", reasons_for_file(path.name, str(error))),
            ]
        else:
            own = _own(contents, sender)
            if contents.rejections:
                count = len(contents.rejections)
                log.log(ALARM, "%s: %d rows of municipality %s were rejected", path.name, count, sender)
            batch.outputs += rejection_outputs(suspicious, label, content, len(own), contents)
            batch.notices += own
        batch.inputs.append(Input.of(path, f"{sender}/{path.name}", content))
        batch.size += len(content)

    def _take(self, batch: _Batch, now: datetime) -> int:
        if not batch.inputs:
            return 0
        lives = [each for each in batch.notices if each.STREAM == "notices"]
        questions = [each for each in batch.notices if isinstance(each, Inquiry) and each.kind == STATE]
        others = [each for each in batch.notices if each.STREAM != "notices" and each not in questions]
        outputs = [*batch.outputs]
        for number, kind in enumerate({type(each): None for each in others}):
            outputs.append(self._file([each for each in others if type(each) is kind], number, ""))

        def note(connection: apsw.Connection) -> None:
            cases, today = self._cases(connection), now.astimezone(_JAPAN).date()
            taken = cases.take(lives, now)
            cases.sent_again(taken.repeated)
            for notice in taken.clashing:
                keep(connection, refusal(notice, today))
                what = "notice %s of %s: the number was used for another notice; refused"
                log.log(ALARM, what, notice.number, notice.municipality)
            for question in questions:
                keep(connection, answer(question, cases.fate(question.municipality, question.target), today))
            if taken.repeated:
                log.warning("%d notices had come before", len(taken.repeated))

        self._handover.hand_over(batch.inputs, outputs, note)
        log.info("%d notices of municipalities in %d files", len(batch.notices), len(batch.inputs))
        return len(batch.inputs)

    # handing on

    def _hand_on(self, served: set[str], now: datetime) -> bool:
        """Hand on what may go, a large batch at most; return whether anything went."""
        judged = self._handover.read(lambda connection: self._judge(connection, served, now))
        holds = [hold for each in judged for hold in each.verdict.holds]
        going = [each for each in judged if each.notices]
        if not going and holds == self._holds:
            return False
        outputs = [
            self._file(notices, number, "-overtaken" if overtaken else "")
            for number, (notices, overtaken) in enumerate(files_of(going))
        ]

        def note(connection: apsw.Connection) -> None:
            cases = self._cases(connection)
            for each in going:
                cases.handed(each.verdict, now)
            cases.hold(holds)
            for hold in holds:
                if hold.reason is Reason.CORRECTION and cases.asked(hold.step, now):
                    keep(connection, ask_again(hold.step.place, hold.waits_for))

        if going:
            self._handover.hand_over([], outputs, note)
        else:
            self._handover.write(note)
        self._holds = holds
        self._tell(going)
        return bool(going)

    def _judge(self, connection: apsw.Connection, served: set[str], now: datetime) -> list[_Judged]:
        cases = self._cases(connection)
        return [
            _Judged(verdict, [cases.notice(release.step) for release in verdict.releases])
            for verdict in cases.judge(served, now, self._terms, _NOTICES_AT_ONCE)
        ]

    def _file(self, notices: list[Notice], number: int, mark: str) -> Output:
        content, why = write_anyway(notices, self._layout)
        if why is not None:
            log.log(ALARM, "notices of municipalities are handed over in UTF-8: %s", why)
        name = f"{number:02d}-{notices[0].NAME}{mark}{self._layout.suffix}"
        return Output(self._folders.collected, name, content)

    def _tell(self, going: list[_Judged]) -> None:
        releases = [release for each in going for release in each.verdict.releases]
        if releases:
            log.info("%d notices handed on, %d of them overtaken", len(releases), sum(r.overtaken for r in releases))
        for release in releases:
            if release.gave_up is not None:
                what = "notice %s of %s went on without what it had waited for (%s) to the end of its time"
                log.log(ALARM, what, release.step.number, release.step.place, release.gave_up)


def files_of(judged: Iterable[_Judged]) -> Iterator[tuple[list[Notice], bool]]:
    """Yield the notices of each file, and whether they were overtaken."""
    people = [list(zip(each.verdict.releases, each.notices, strict=True)) for each in judged]
    for (_, overtaken), pairs in runs(people, _key):
        yield [notice for _, notice in pairs], overtaken


def _key(pair: tuple[Release, Notice]) -> Key:
    release, notice = pair
    return TYPES.index(type(notice)), release.overtaken


def _own(contents: Contents, sender: str) -> list[Notice]:
    """Return what a municipality says of itself; what it says of another is rejected."""
    own: list[Notice] = []
    for record in contents.records:
        code = record.notice.municipality
        if code == sender:
            own.append(record.notice)
        else:
            contents.rejections.append(foreign(record, f"{sender}から{code}の通知は受け付けません。"))
    return own
