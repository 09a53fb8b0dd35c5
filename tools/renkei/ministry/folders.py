"""The connector's folders, and what a file in them may be."""

import re
from dataclasses import dataclass
from pathlib import Path

from renkei.domain import file_names
from renkei.domain.layouts import Contents, Format, Record, Rejection, rejected_part
from renkei.domain.notices_items import Finding
from renkei.ministry.files import sync_directories
from renkei.ministry.handover import Output
from renkei.ministry.reasons import reasons_for_rows
from renkei.ministry.settings import ConnectorSettings

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes of a file that is taken at most, and of all that are taken at one time."""

SHOWN = 0o644  # the folder says who may look into it
_SUFFIXES = frozenset(f".{each.value}" for each in Format)
_PRIVATE_FOLDER, _SHOWN_FOLDER = 0o700, 0o755
_LONGEST = 60
"""Characters of a name before its ending."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files lie.

    Attributes:
        dropped: from the immigration system; `taken` those that are being worked on, `rejected` what comes back to it.
        collected: what the immigration system gets.
        outbox: the agent's, with a folder an endpoint; `inbox` likewise.
        suspicious: what a municipality sent that can't be.
    """

    dropped: Path
    taken: Path
    rejected: Path
    collected: Path
    outbox: Path
    inbox: Path
    suspicious: Path

    @classmethod
    def of(cls, settings: ConnectorSettings) -> "Folders":
        """Name them, and make those that are the connector's own.

        Raises:
            OSError: one of the others is missing, or one can't be made.
        """
        dropped = settings.drop / "to-municipalities"
        folders = cls(
            dropped=dropped,
            taken=dropped / ".taken",
            rejected=dropped / "rejected",
            collected=settings.drop / "from-municipalities",
            outbox=settings.agent / "outbox",
            inbox=settings.agent / "inbox",
            suspicious=settings.state / "rejected",
        )
        for folder, mode in (
            (settings.state, _PRIVATE_FOLDER),
            (folders.suspicious, _PRIVATE_FOLDER),
            (folders.taken, _PRIVATE_FOLDER),
            (folders.rejected, _SHOWN_FOLDER),
        ):
            if not folder.is_dir():
                folder.mkdir(mode=mode)
                folder.chmod(mode)  # whatever the umask is
        return folders

    def endpoint(self, code: str) -> Path:
        """Return an endpoint's folder in the agent's outbox, made when missing."""
        folder = self.outbox / code
        if not folder.is_dir():
            folder.mkdir(mode=0o770)
            sync_directories([self.outbox])
        return folder

    def outputs(self) -> list[Path]:
        """Return all folders into which files are handed over."""
        endpoints = sorted(path for path in self.outbox.iterdir() if path.is_dir())
        return [self.rejected, self.collected, self.suspicious, *endpoints]


def is_notices(path: Path) -> bool:
    """Tell whether a file may hold notices; nothing is read through a link."""
    return (
        path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file() and not path.is_symlink()
    )


def safe_name(name: str, suffix: str = "") -> str:
    """Return a name that no shell and no file system stumbles over, with its mark, by default with its own ending."""
    base, mark, ending = (re.sub(r"[^0-9A-Za-z._-]", "_", part) for part in file_names.split(name))
    return f"{file_names.shortened(base or 'file', mark, _LONGEST)}{suffix or ending.lower()}"


def foreign(record: Record, message: str) -> Rejection:
    """Reject a record that is another municipality's business."""
    finding = Finding("市区町村コード", "endpoint", "様式", message)
    return Rejection(record.position, record.line, (finding,), {"通知番号": record.notice.number})


def rejection_outputs(folder: Path, name: str, content: bytes, accepted: int, contents: Contents) -> list[Output]:
    """Return the files that say which records of a file were rejected, and why; none when none was."""
    if not contents.rejections:
        return []
    in_order = sorted(contents.rejections, key=lambda each: each.position)
    safe = safe_name(name)
    return [
        Output(folder, safe, rejected_part(content, contents.layout, in_order), SHOWN),
        Output(folder, f"{safe}.reason.txt", reasons_for_rows(name, accepted, in_order), SHOWN),
    ]
