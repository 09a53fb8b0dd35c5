from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.codes import GROUPS, CodeError, new_code, normalize_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODES = st.builds(new_code)


def test_a_code_has_seven_groups_of_four_and_never_repeats() -> None:
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    for code in codes:
        assert [len(group) for group in code.split("-")] == [4] * GROUPS
        assert set(code) <= {*ALPHABET, "-"}


def test_a_code_has_at_least_a_hundred_random_bits() -> None:
    codes = [new_code().replace("-", "") for _ in range(400)]
    free = [place for place in range(4 * GROUPS) if place % 4 != 3]
    assert len(free) * 5 >= 100
    for place in free:
        assert len({code[place] for code in codes}) == 32


@given(CODES)
def test_lower_case_spaces_and_look_alikes_are_put_right(code: str) -> None:
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert normalize_code(typed) == normalize_code(code.replace("-", "").replace("1", "I")) == code


@given(CODES, st.integers(0, GROUPS - 1), st.integers(0, 3), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found_and_its_group_named(
    code: str, group: int, place: int, letter: str
) -> None:
    position = group * 5 + place
    if code[position] == letter:
        return
    with pytest.raises(CodeError, match=rf"typing error in group {group + 1};"):
        normalize_code(code[:position] + letter + code[position + 1 :])


@given(CODES, st.integers(0, GROUPS - 1), st.sampled_from(list(combinations(range(4), 2))))
def test_two_swapped_characters_of_a_group_are_found(code: str, group: int, places: tuple[int, int]) -> None:
    one, other = (group * 5 + place for place in places)
    letters = list(code)
    letters[one], letters[other] = letters[other], letters[one]
    if letters[one] != letters[other]:
        with pytest.raises(CodeError, match=f"group {group + 1};"):
            normalize_code("".join(letters))


@given(CODES, st.permutations(range(GROUPS)))
def test_groups_out_of_order_are_found(code: str, order: list[int]) -> None:
    groups = code.split("-")
    if order != sorted(order):
        with pytest.raises(CodeError, match="typing error"):
            normalize_code("-".join(groups[place] for place in order))


@pytest.mark.parametrize("typed", ["", "7K2M", "U" * 28, "漢" * 28, "0" * 29])
def test_what_is_no_code_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(CodeError) as refused:
        normalize_code(typed)
    assert not typed or typed not in str(refused.value)
