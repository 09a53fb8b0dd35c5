"""A wave's folder: whatever lies in it, a turn goes on."""

import json
from pathlib import Path

import pytest

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.signed import Signed
from renkei.fleet.waves.post import FolderPost

ENTRY = {"binding": "b", "certificate": "c", "issuer": "i"}


@pytest.mark.parametrize("envelope", ["\ud800", "封", None])
def test_what_is_no_document_is_put_aside_and_the_rest_is_heard(tmp_path: Path, envelope: str | None) -> None:
    post, arriving = FolderPost(tmp_path), tmp_path / "in"
    (arriving / "1.json").write_bytes(json.dumps({"entry": ENTRY, "envelope": envelope}).encode())
    (arriving / "2.json").write_bytes(Signed(DirectoryEntry.read(ENTRY), b"{}").to_json())
    for _ in range(2):
        assert [each.name for each in post.heard()] == ["2.json"]
        assert [each.name for each in (tmp_path / "refused").iterdir()] == ["1.json"]
