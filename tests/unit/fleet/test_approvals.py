"""What the update service approves: what the signed catalogue has, for the rings that may have it, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from renkei.exchange.documents import DocumentError
from renkei.exchange.parties import MINISTRY
from renkei.exchange.signed import MAX_SIGNED
from renkei.fleet.approvals import approvals, read_catalogue
from unit.fleet.signed import SignedCatalogue, sign

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
ARTICLES: dict[str, list[str]] = {"KB5043080": [], "KB5058411": ["KB5043080"], "KB5062553": ["KB5043080"]}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> SignedCatalogue:
    return sign(tmp_path_factory.mktemp("catalogue"), ARTICLES, NOW)


def test_a_ring_gets_its_updates_and_what_they_require(signed: SignedCatalogue) -> None:
    catalogue = read_catalogue(signed.file, signed.root, NOW)
    found = approvals(catalogue, {"early": ["KB5058411"], "canary": ["KB5062553", "KB5058411"], "main": []})
    assert found == {"KB5043080": ["canary", "early"], "KB5058411": ["canary", "early"], "KB5062553": ["canary"]}
    assert list(found) == list(ARTICLES)
    assert set(map(tuple, approvals(catalogue, {}).values())) == {()}


def test_what_the_catalogue_lacks_is_approved_for_nobody(signed: SignedCatalogue) -> None:
    with pytest.raises(DocumentError, match="KB1234567 isn't in catalogue 1"):
        approvals(read_catalogue(signed.file, signed.root, NOW), {"canary": ["KB1234567"]})


def test_a_catalogue_that_was_altered_is_anothers_or_too_old_is_not_believed(
    signed: SignedCatalogue, tmp_path: Path
) -> None:
    others = sign(tmp_path, ARTICLES, NOW, MINISTRY, "others")
    foreign = sign(tmp_path, ARTICLES, NOW, name="foreign")
    changed = json.loads(signed.file.read_text())
    changed["envelope"] = json.loads(foreign.file.read_text())["envelope"]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    for file, root in (
        (tmp_path / "changed.json", signed.root),
        (others.file, others.root),
        (foreign.file, signed.root),
    ):
        with pytest.raises(ValueError, match=file.name):
            read_catalogue(file, root, NOW)
    with pytest.raises(ValueError, match=r"catalogue\.json"):
        read_catalogue(signed.file, signed.root, NOW + timedelta(days=11))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"entry": {}, "envelope": ""}', "[" * 100_000, " " * (MAX_SIGNED + 1)]
)
def test_what_is_no_catalogue_is_named(signed: SignedCatalogue, tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(ValueError, match=r"wrong\.json: "):
        read_catalogue(tmp_path / "wrong.json", signed.root, NOW)
    with pytest.raises(ValueError, match=r"wrong\.json: is no trust anchor"):
        read_catalogue(signed.file, tmp_path / "wrong.json", NOW)
