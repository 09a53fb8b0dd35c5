"""Notices about one person as municipalities send them, for the scenarios of docs/order.md."""

from datetime import date
from typing import Any

from renkei.domain.notices import CardIssueNotice, RegisterNotice, ResidenceNotice

CHUO, SHINJUKU, UTASHINAI = "011011", "131041", "012271"
ADDRESS = {
    CHUO: "北海道札幌市中央区北1条西2丁目1番1号",
    SHINJUKU: "東京都新宿区歌舞伎町1丁目4番1号",
    UTASHINAI: "北海道歌志内市字本町5番地",
}
PLACE = {CHUO: "北海道札幌市中央区", SHINJUKU: "東京都新宿区", UTASHINAI: "北海道歌志内市"}
CARD = "AB12345678CD"
WHO: dict[str, Any] = {
    "name": "WANG SHUILI",
    "kanji_name": "王水麗",
    "birth_date": "1990-01-31",
    "sex": "女",
    "nationality": "中国",
}
DAY = date(2026, 11, 20)


def moved_in(place: str, number: str, came_from: str, day: date = DAY, **more: Any) -> ResidenceNotice:
    """市町村伝達 of a 転入 (住基法22条)."""
    values: dict[str, Any] = {
        **WHO,
        "number": number,
        "municipality": place,
        "basis": "住基法22条",
        "filed_on": day,
        "address": ADDRESS[place],
        "card_number": CARD,
        "moved_on": day,
        "previous_address": ADDRESS[came_from],
    }
    return ResidenceNotice(**values | more)


def moved_out(place: str, number: str, day: date = DAY, **more: Any) -> RegisterNotice:
    """市町村通知 of a 転出 (住基法24条)."""
    values: dict[str, Any] = {
        "action": "消除",
        "cause": "転出",
        "departs_on": day,
        "basis": "住基法24条",
        "filed_on": day,
    }
    return _register(place, number, day, **values | more)


def amended(place: str, number: str, day: date = DAY, **more: Any) -> RegisterNotice:
    """市町村通知 of a correction of the record (職権修正)."""
    return _register(place, number, day, **{"action": "修正", "cause": "職権修正", "changed_items": "氏名"} | more)


def card_handed_out(place: str, number: str, day: date = DAY, **more: Any) -> CardIssueNotice:
    """特定在留カード交付通知: it names a card and nobody."""
    values: dict[str, Any] = {"number": number, "municipality": place, "issued_on": day, "card_number": CARD}
    return CardIssueNotice(**values | more)


def _register(place: str, number: str, day: date, **more: Any) -> RegisterNotice:
    values: dict[str, Any] = {
        **WHO,
        "number": number,
        "municipality": place,
        "processed_on": day,
        "category": "中長期在留者",
        "address": ADDRESS[place],
        "card_number": CARD,
    }
    return RegisterNotice(**values | more)
