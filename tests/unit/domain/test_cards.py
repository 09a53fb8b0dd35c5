import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.cards import InvalidCardNumber, ResidenceCardNumber


@given(st.from_regex(r"[A-Z]{2}[0-9]{8}[A-Z]{2}", fullmatch=True))
def test_two_letters_eight_digits_two_letters_are_a_card_number_that_is_never_shown(number: str) -> None:
    card = ResidenceCardNumber(number)
    assert card.value == number
    assert number[2:] not in repr(card)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "ab12345678cd",
        "AB1234567CD",
        "AB123456789CD",
        "AB12345678CD\n",
        " AB12345678CD",
        "ＡＢ１２３４５６７８ＣＤ",
        "AB１２３４５６７８CD",
        "AB-12345678-CD",
    ],
)
def test_any_other_form_is_refused_without_repeating_it(number: str) -> None:
    with pytest.raises(InvalidCardNumber) as refused:
        ResidenceCardNumber(number)
    assert not number or number not in str(refused.value)
