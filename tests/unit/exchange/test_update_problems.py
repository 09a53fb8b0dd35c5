"""Problems of updates: what a machine writes the ministry reads, code and values, in two languages."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.update_problems import SENTENCES, read, say

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=40)
_VALUES: dict[str, Any] = {
    "kb": st.integers(100000, 999999999).map("KB{}".format),
    "kbs": st.lists(st.integers(100000, 999999999).map("KB{}".format), min_size=1, max_size=4).map(", ".join),
    "build": st.just("26100.4061"), "wanted": st.just("26100.5000"), "exit": st.sampled_from(["1", "0x80070070"]),
    "file": st.just("windows11.0-kb5058411-x64.msu"), "name": st.sampled_from(["KB5058411", "patterns 1.441.3.0"]),
    "folder": st.just("C:\\ProgramData\\Renkei\\updates\\packages"), "detail": _TEXT, "rest": _TEXT,
}  # fmt: skip
_NUMBER = st.integers(0, 10**9)


def _names(code: str) -> list[str]:
    """The names of a problem's values."""
    return re.findall(r"\{([a-z]+)\}", SENTENCES[code][0])


@given(st.data(), st.sampled_from(list(SENTENCES)))
def test_what_a_machine_writes_is_read_as_the_same_problem(data: st.DataObject, code: str) -> None:
    values = {name: data.draw(_VALUES.get(name, _NUMBER)) for name in _names(code)}
    text = say(code, **values)
    told = read(text)
    assert told is not None
    assert (told.code, told.sentence[1]) == (code, text)
    assert not re.search(r"[{}]", re.sub(re.escape(str(values.get("rest", ""))), "", told.sentence[0]))
    for name, value in values.items():
        assert name == "detail" or str(value) in told.sentence[0] or read(str(value)) is not None


@pytest.mark.parametrize("code", SENTENCES)
def test_every_problem_has_what_to_do_about_it(code: str) -> None:
    """What ended while something stood in the way has that one's."""
    values = {"kb": "KB5058411", "kbs": "KB5058411", "rest": "it is on fire"}
    text = say(code, **{name: values.get(name, "1") for name in _names(code)})
    told = read(text)
    assert told is not None
    assert all(told.act)
    within = read(text.replace("it is on fire", say("on-battery")))
    assert within is not None
    assert (within.act[1] == "have the endpoint plug it in") == ("rest" in _names(code) or code == "on-battery")


@given(st.text(max_size=200))
def test_any_text_is_read_or_left_as_it_stands(text: str) -> None:
    told = read(text)
    assert told is None or told.sentence[1] == text


@pytest.mark.parametrize(
    ("text", "code", "japanese", "act"),
    [
        ("the system's volume has 812 MiB free, 10240 are needed", "disk-full",
         "システムドライブの空きが812 MiBです（10240 MiB必要）", "make room"),
        ("the order ended, and until then: the machine runs on its battery; plug it in", "ended-blocked",
         "指示の期限が過ぎました。それまでの状況：バッテリーで動いています。電源ケーブルをつないでください",
         "plug it in"),
        ("KB5058411: dism, code 0x80070070: Error: 112 There is not enough space on the disk.", "dism",
         "KB5058411：DISMが失敗しました（0x80070070）", "component store"),
        ("the build is 26100.2314, the order's is 26100.4061: it isn't installed", "build-stays",
         "ビルドが26100.2314のままです（指示は26100.4061）", "update history"),
    ],
)  # fmt: skip
def test_what_machines_of_any_release_say_has_its_code_and_its_japanese(
    text: str, code: str, japanese: str, act: str
) -> None:
    told = read(text)
    assert told is not None
    assert (told.code, told.sentence[0]) == (code, japanese)
    assert act in told.act[1]


def test_what_is_not_of_these_stays_as_it_is() -> None:
    assert read("the disk is full") is None
    assert read("") is None
    with pytest.raises(KeyError):
        say("disk-full", free=1)
