"""Which served municipality an address lies in."""

import pytest

from renkei.ministry.places import Places

PLACES = Places(
    {"131041": "東京都新宿区", "011011": "北海道札幌市中央区", "132063": "東京都府中市", "342084": "広島県府中市"}
)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("東京都新宿区西新宿2丁目8番1号", "131041"),
        ("新宿区西新宿2-8-1", "131041"),
        ("東京都　新宿区西新宿２－８－１", "131041"),
        ("札幌市中央区北1条西2丁目", "011011"),
        ("広島県府中市府川町315", "342084"),
        ("府中市宮西町2丁目24番地", None),
        ("札幌市北区北24条", None),
        ("新宿", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_says_its_municipality_by_its_beginning(address: str | None, code: str | None) -> None:
    assert PLACES.find(address) == code
