"""A file's mark (`NAME.daily.csv`) says when its notices go: no name that is made fit for a file system loses it."""

from pathlib import PurePath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renkei.agent import files
from renkei.domain.file_names import mode_of, shortened, split
from renkei.ministry import folders

MARKS = st.sampled_from(["", ".daily", ".immediate", ".Daily", ".IMMEDIATE", ".weekly", ".", ". "])
NAMES = st.builds(
    lambda base, mark, ending: base + mark + ending,
    st.one_of(st.text(min_size=1, max_size=90), st.text(st.sampled_from("ab.漢 _-"), min_size=55, max_size=70)),
    MARKS,
    st.sampled_from([".csv", ".xml", ".CSV"]),
)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("day.daily.csv", "daily"),
        ("day.IMMEDIATE.xml", "immediate"),
        ("daily.csv", None),
        (".daily.csv", None),
        ("a.daily", None),
        ("a.daily.old.csv", None),
        ("a.csv", None),
        ("", None),
    ],
)
def test_a_mark_stands_between_name_and_ending(name: str, mode: str | None) -> None:
    assert mode_of(name) == mode


@given(st.text(max_size=200))
def test_the_pieces_make_up_the_name(name: str) -> None:
    assert "".join(split(name)) == name


@given(st.text(max_size=200), st.sampled_from(["", ".daily", ".immediate"]))
def test_a_name_is_cut_before_its_mark(base: str, mark: str) -> None:
    cut = shortened(base, mark, 60)
    assert len(cut) <= 60
    assert cut.endswith(mark)
    assert base.startswith(cut.removesuffix(mark))


@given(NAMES)
@example("a" * 70 + ".daily.csv")
@example("a" * 54 + ".dailyish.csv")
@example(" .daily.csv")
@example("a.daily .csv")
def test_no_name_loses_its_mark_or_gets_one_or_grows_too_long(name: str) -> None:
    ending = name[-4:].lower()
    names = {files.safe_name(name): ending, folders.safe_name(name): ending, folders.safe_name(name, ".csv"): ".csv"}
    for safe, kept in names.items():
        assert mode_of(safe) == mode_of(name)
        assert PurePath(safe).suffix.lower() == kept
        assert len(safe) <= 71
        assert safe == PurePath(safe).name
        assert not safe.startswith(".daily")


@given(NAMES)
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    for safe_name in (files.safe_name, folders.safe_name):
        assert safe_name(safe_name(name)) == safe_name(name)
