import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.codes import InvalidCode, MunicipalityCode, check_digit

ROOT = Path(__file__).parents[3]
BODIES = st.text("0123456789", min_size=5, max_size=5)


@pytest.mark.parametrize("code", ["011011", "012271", "131041", "473821", "221384", "221392", "221406"])
def test_codes_of_the_official_list_are_accepted(code: str) -> None:
    assert str(MunicipalityCode(code)) == code


def test_a_code_knows_its_prefecture_and_number() -> None:
    code = MunicipalityCode("011011")
    assert (code.prefecture, code.number) == ("01", 1101)


@pytest.mark.parametrize("text", ["", "13104", "1310411", "13104x", "１３１０４１", " 131041", "131041\n", "-13104"])
def test_what_is_not_six_digits_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode, match="is not six digits"):
        MunicipalityCode(text)


def test_the_message_names_both_check_digits() -> None:
    with pytest.raises(InvalidCode, match="131042 ends in check digit 2, but 13104 has check digit 1"):
        MunicipalityCode("131042")


@given(BODIES)
def test_of_ten_last_digits_exactly_one_is_right(body: str) -> None:
    right = []
    for digit in "0123456789":
        try:
            right.append(MunicipalityCode(body + digit))
        except InvalidCode:
            continue
    assert right == [MunicipalityCode.from_body(body)]


@given(BODIES, st.integers(0, 4), st.integers(1, 9))
def test_one_wrong_digit_is_found_except_between_the_two_remainders_that_share_a_check_digit(
    body: str, place: int, shift: int
) -> None:
    wrong = body[:place] + str((int(body[place]) + shift) % 10) + body[place + 1 :]
    remainders = [sum(int(d) * w for d, w in zip(b, (6, 5, 4, 3, 2), strict=True)) % 11 for b in (body, wrong)]
    assert (check_digit(wrong) == check_digit(body)) == (sorted(remainders) == [0, 10])


def test_every_endpoint_of_the_country_has_a_right_code() -> None:
    with (ROOT / "inventory" / "municipalities.csv").open(encoding="utf-8", newline="") as file:
        codes = [MunicipalityCode(row["code"]) for row in csv.DictReader(file)]
    assert len(set(codes)) == 1892
