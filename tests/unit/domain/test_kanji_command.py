"""`renkei kanji`, as it is called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("renkei")


def run(*words: str, given: bytes = b"", code: int = 0) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "80"}
    result = subprocess.run([PROGRAM, "kanji", *words], input=given, capture_output=True, check=False, env=environment)
    assert result.returncode == code, result.stderr.decode()
    return result


def data(*words: str, given: bytes = b"") -> list[Any]:
    return [json.loads(line) for line in run(*words, "--json", given=given).stdout.splitlines()]


def test_a_name_is_shown_with_rules_and_ranks() -> None:
    shown = run("刘骏㐄😀").stdout.decode()
    assert shown.startswith("刘骏㐄😀 → 刘駿牛〓\n")
    assert "骏 → 駿  U+9A8F     異体字, 別表第四の一  1:駿 2:俊" in shown
    assert "㐄 → 牛  U+3404     類字, 別表第四の二  1:牛 2:井" in shown
    assert "😀 → 〓  U+1F600    no target in 告示第582号" in shown


def test_json_is_a_list_with_an_object_a_character() -> None:
    assert data("钟A") == [
        [
            {"char": "钟", "result": "鐘", "rule": "itaiji", "candidates": ["鐘", "鍾"], "note": None},
            {"char": "A", "result": "A", "rule": "kept", "candidates": ["A"], "note": None},
        ]
    ]


@pytest.mark.thorough
def test_standard_input_is_converted_line_by_line_as_it_came_beside_the_result() -> None:
    assert run(given="张伟\r\n\n刘骏".encode()).stdout.decode() == "张伟\t張偉\n刘骏\t刘駿\n"
    first, second = data("-", given="张\n云\n".encode())
    assert (first[0]["result"], second[0]["rule"]) == ("張", "kept")


@pytest.mark.thorough
def test_the_register_and_the_person_decide_about_second_ranks() -> None:
    assert data("钟", "--borne", "鍾麗")[0][0]["result"] == "鍾"
    assert data("㐄", "--requested", "井")[0][0]["result"] == "井"


@pytest.mark.thorough
def test_what_cannot_be_converted_is_refused_with_a_reason() -> None:
    assert b"there is nothing to convert" in run(code=2).stderr
    assert b"line 2 of standard input is not UTF-8" in run(given=b"ok\n\xff\n", code=2).stderr
    assert b"line 1 of standard input is longer than 4,096 characters" in run(given=b"a" * 5000, code=2).stderr
    assert b"longer than 4,096" in run(given="张".encode() * 20_000, code=2).stderr
    assert b"TEXT is longer than 4,096 characters" in run("a" * 5000, code=2).stderr
    assert b"TEXT is not UTF-8" in run(os.fsdecode(b"\xff"), code=2).stderr


def test_the_help_states_exit_codes_within_80_columns() -> None:
    text = run("--help").stdout.decode()
    assert "Exit 0: converted, 〓 or not. Exit 2" in text
    assert all(len(line) <= 80 for line in text.splitlines())
