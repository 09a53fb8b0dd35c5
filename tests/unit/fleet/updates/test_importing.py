"""Packages as they come: what fits is laid there whole, what doesn't is named, all of it at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from renkei.fleet.updates.importing import Arrival, Expected, bring, find, read_expected, said_of
from renkei.fleet.updates.laying import PackagesError, laying
from unit.fleet.updates.arrival import CONTENT, DIGEST, NAME


def expected(**changes: Any) -> Expected:
    return Expected.model_validate({"kb": "KB5058411", "build": "26100.4061", **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "november"
    found.mkdir()
    (found / NAME).write_bytes(CONTENT)
    (found / "readme.txt").write_text("not a package")
    return found


def test_a_folder_is_held_against_its_list_and_copied_whole(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(
        json.dumps(
            [
                {"kb": "KB5043080", "build": "26100.1742"},
                {
                    "kb": "KB5058411",
                    "build": "26100.4061",
                    "sha256": DIGEST,
                    "urgency": "urgent",
                    "requires": ["KB5043080"],
                },
            ]
        )
    )
    arrivals, missing = find([folder], read_expected(tmp_path / "list.json"))
    assert missing == ["KB5043080"]
    seen: list[int] = []
    with laying(tmp_path / "packages") as place:
        update = bring(arrivals[0], place, seen.append)
        place.finish()
    assert (update.kb, update.build, update.sha256, update.size) == ("KB5058411", "26100.4061", DIGEST, len(CONTENT))
    assert (update.urgency, update.requires, update.file) == ("urgent", ["KB5043080"], NAME)
    assert sum(seen) == len(CONTENT)
    assert {path.name: path.read_bytes() for path in (tmp_path / "packages").iterdir()} == {NAME: CONTENT}
    assert bring(arrivals[0], None, seen.append) == update


def test_a_package_that_is_still_being_fetched_isnt_imported(folder: Path) -> None:
    """Its size would be that of before, its digest that of after: no machine would ever take it."""

    path = folder / NAME

    def goes_on(_: int) -> None:
        if path.stat().st_size == len(CONTENT):
            path.write_bytes(CONTENT + b"more")

    with pytest.raises(PackagesError, match=rf"{NAME}: has 9004 bytes by now, 9000 when .* wait until it is written"):
        bring(Arrival(path, expected()), None, goes_on)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "ab" * 32}, f"its digest is {DIGEST}, the list says abab"),
        ({"size": 7}, "has 9000 bytes, the list says 7"),
        ({"file": "other.msu"}, "the list calls KB5058411 other.msu"),
    ],
)
def test_what_is_not_the_lists_is_named_and_nothing_is_left(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    packages = tmp_path / "packages"
    with laying(packages) as place, pytest.raises(PackagesError, match=message):
        bring(Arrival(folder / NAME, expected(**changes)), place, lambda _: None)
    assert list(packages.iterdir()) == []


def test_everything_that_is_wrong_with_names_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    (folder / "kb5058411-again.cab").write_bytes(b"x")
    (folder / "nothing.msu").write_bytes(b"x")
    (folder / "kb5099999.msu").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackagesError) as found:
        find([folder, tmp_path / "empty", tmp_path / "none"], [expected()])
    text = str(found.value)
    for part in (
        "leave one of them out",
        "has no number",
        "KB5099999 isn't in the list",
        "holds no package",
        "isn't there",
    ):
        assert part in text
    assert len(text.splitlines()) == 5


def test_a_package_without_a_list_is_said_by_hand(folder: Path) -> None:
    [said] = said_of([folder / NAME], "26100.4061", [], urgent=True)
    assert (said.kb, said.urgency) == ("KB5058411", "urgent")
    for packages, build in (
        ([folder], "26100.4061"),
        ([folder / NAME, folder / NAME], "26100.4061"),
        ([folder / NAME], "x"),
    ):
        with pytest.raises(PackagesError):
            said_of(packages, build, [], urgent=False)


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '[{"kb": "KB1"}]', '[{"kb": "KB5058411", "build": "26100.1"}, {"kb": "KB5058411", "build": "26100.1"}]',
     "[" * 100_000, " " * (1024 * 1024 + 1)],
    ids=["cut", "no list", "misfit", "twice", "deep", "long"],
)  # fmt: skip
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(PackagesError, match=r"list\.json"):
        read_expected(tmp_path / "list.json")
