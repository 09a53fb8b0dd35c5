"""A day's antivirus patterns for media: the package laid beside those of updates, with the authority's word on it.

    issue(Source(Path("mpam-fe.exe"), "1.441.312.0", made_at), folder, Authority(signer, entry), now, progress)

The folder is `updates/patterns/` in the home of the ministry's agent, whose exports take both along. The package bears
its version in its name and is there before the word on it, so whoever looks finds both or the ones before.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer, peek
from renkei.exchange.patterns import PATTERNS_FILE, Patterns, rank
from renkei.exchange.signed import Signed
from renkei.fleet.signed import read_signed
from renkei.fleet.updates.laying import PackagesError, Progress, check_size, laying


@dataclass(frozen=True, slots=True)
class Source:
    """A package as it came from its maker: the file, its version, and when it was made (aware)."""

    path: Path
    version: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs, and its directory entry."""

    signer: Signer
    entry: DirectoryEntry


def before(folder: Path) -> Patterns | None:
    """Return the patterns that lie in a folder, by their word alone; None where there are none.

    Raises:
        ExchangeError: the word is none.
        OSError: it can't be read.
    """
    try:
        return Patterns.read(peek(read_signed(folder / PATTERNS_FILE).envelope).payload)
    except FileNotFoundError:
        return None


def issue(
    source: Source, folder: Path, authority: Authority, now: datetime, progress: Progress, *, correct: bool = False
) -> Patterns:
    """Lay a package into a folder, and sign for it.

    Args:
        source: what came.
        folder: where it goes.
        authority: who signs.
        now: aware.
        progress: is told of each piece that was read, in bytes.
        correct: let a lower version follow, since the last one's was wrong.

    Raises:
        PackagesError: it isn't newer than what lies there, is still being written, or can't be laid there.
        DocumentError: version, size or moment has not its form.
        OSError: it can't be read or written.
    """
    if source.made_at > now:
        raise PackagesError(f"{source.path}: is said to be made at {source.made_at.isoformat()}, which is to come")
    name, size = f"mpam-fe-{source.version}.exe", source.path.stat().st_size

    def word(digest: str) -> Patterns:
        return Patterns.read(
            {
                "version": source.version,
                "file": name,
                "sha256": digest,
                "size": size,
                "made_at": whole_seconds(source.made_at),
                "issued_at": whole_seconds(now),
            }
        )

    word("0" * 64)  # what has not its form is found before anything is read
    with laying(folder) as place:
        known = before(folder)
        if known is not None and not correct and rank(source.version) <= rank(known.version):
            raise PackagesError(
                f"{folder} has patterns {known.version}: {source.version} isn't newer (or --correct them)"
            )
        found = word(place.copy(source.path, name, progress))
        check_size(source.path, size)
        place.finish()
        place.write(PATTERNS_FILE, Signed(authority.entry, found.sign(authority.signer)).to_json() + b"\n")
        place.finish()
        for path in folder.glob("*.exe"):
            if path.name != name:
                path.unlink(missing_ok=True)
    return found
