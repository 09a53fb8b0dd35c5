from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.parties import AUTHORITY, HUB, MINISTRY, InvalidParty, Party, check_terminal, may_send

SHINJUKU, SAPPORO = Party("131041"), Party("011011")


def test_parcels_go_between_endpoints_and_the_ministry_only() -> None:
    everyone = [MINISTRY, AUTHORITY, HUB, SHINJUKU, SAPPORO]
    permitted = {
        (sender, recipient) for sender, recipient in product(everyone, everyone) if may_send(sender, recipient)
    }
    assert permitted == {(MINISTRY, SHINJUKU), (MINISTRY, SAPPORO), (SHINJUKU, MINISTRY), (SAPPORO, MINISTRY)}


@pytest.mark.parametrize("text", ["", "Ministry", "131042", "13104", "131041\n", "１３１０４１", "131041/../x"])
def test_what_is_no_party_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidParty) as refused:
        Party(text)
    assert not text or text not in str(refused.value)


@given(st.text(max_size=80))
def test_a_terminals_name_is_safe_in_urls_and_file_names(text: str) -> None:
    try:
        name = check_terminal(text)
    except InvalidParty:
        return
    assert name.isascii()
    assert name[0].isalnum()
    assert not set(name) & set("/\\ %?#:\n")
