"""A day's patterns at the ministry: laid beside the updates, the package before the word on it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import DocumentError, Signer
from renkei.exchange.patterns import PATTERNS_FILE, Patterns
from renkei.fleet.signed import read_signed
from renkei.fleet.updates.laying import PackagesError
from renkei.fleet.updates.patterns import Authority, Source, issue

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
KEY = make_key()
AUTHORITY = Authority(Signer(KEY), DirectoryEntry(binding="", certificate="", issuer=""))


def sign(folder: Path, version: str, **changes: Any) -> Patterns:
    package = folder.parent / "mpam-fe.exe"
    package.write_bytes(version.encode())
    source = Source(package, version, changes.pop("made_at", NOW - timedelta(hours=2)))
    return issue(source, folder, AUTHORITY, NOW, lambda _: None, **changes)


def test_the_newest_package_lies_there_with_its_word(tmp_path: Path) -> None:
    folder = tmp_path / "patterns"
    sign(folder, "1.441.10.0")
    found = sign(folder, "1.441.312.0")
    assert {path.name for path in folder.iterdir()} == {"mpam-fe-1.441.312.0.exe", PATTERNS_FILE}
    assert Patterns.open(read_signed(folder / PATTERNS_FILE).envelope, KEY.public_key()) == found


def test_a_package_that_is_still_being_fetched_takes_no_place(tmp_path: Path) -> None:
    folder, package = tmp_path / "patterns", tmp_path / "fetched.exe"
    before = sign(folder, "1.441.10.0")
    package.write_bytes(b"x")
    source = Source(package, "1.441.312.0", NOW)

    def goes_on(_: int) -> None:
        package.write_bytes(b"xy")

    with pytest.raises(PackagesError, match="has 2 bytes by now, 1 when"):
        issue(source, folder, AUTHORITY, NOW, goes_on)
    assert {path.name for path in folder.iterdir()} == {before.file, PATTERNS_FILE}


def test_versions_rise_unless_the_last_one_was_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "patterns"
    sign(folder, "9.441.312.0")
    with pytest.raises(PackagesError, match=r"has patterns 9\.441\.312\.0: 1\.441\.312\.0 isn't newer"):
        sign(folder, "1.441.312.0")
    assert sign(folder, "1.441.312.0", correct=True).version == "1.441.312.0"


@pytest.mark.parametrize("version", ["new", "1.2.3", "1.441.312.0/../x", ""])
def test_what_has_not_its_form_leaves_nothing(tmp_path: Path, version: str) -> None:
    with pytest.raises(DocumentError):
        sign(tmp_path / "patterns", version)
    with pytest.raises(PackagesError, match="which is to come"):
        sign(tmp_path / "patterns", "1.441.312.0", made_at=NOW + timedelta(minutes=1))
    assert not (tmp_path / "patterns").exists()
