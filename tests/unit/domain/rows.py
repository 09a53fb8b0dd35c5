"""Right notices of every type, as rows and as strategies; what other rooms' tests need of notices, too."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from renkei.domain.codes import MunicipalityCode
from renkei.domain.notices import (
    EITHER,
    MID_TO_LONG,
    MOVED,
    PROVISIONAL,
    REFUGE,
    SETTLED,
    SPECIAL_PERMANENT,
    STATUSES,
    TRANSITIONAL,
    UNLIMITED,
    CardIssueNotice,
    ImportResult,
    Inquiry,
    Notice,
    RegisterNotice,
    ResidenceNotice,
    StatusNotice,
)
from renkei.domain.notices.register import AMENDABLE, BIRTH, CAUSES, DEPARTURE, NEW_RESIDENT, REMOVAL_WITHIN
from renkei.domain.notices.residents import CATEGORIES, UNLIMITED_STATUSES
from renkei.domain.notices.results import ERROR_ITEMS, FAILED, IMPORTED, RESEND, STATE
from renkei.domain.notices.status import _OWN, CHANGEABLE

Row = dict[str, str]
_PERSON = {
    "氏名": "NGUYEN VAN AN",
    "漢字氏名": "",
    "生年月日": "1995-04-12",
    "性別": "男",
    "国籍・地域": "ベトナム",
}
_NEW = {"漢字氏名(原文字)": "", "訂正対象通知番号": ""}
ROWS: dict[type[Notice], Row] = {
    ResidenceNotice: {
        "通知番号": "131041-20261123-0001",
        "市区町村コード": "131041",
        "届出区分": "住基法22条",
        "届出日": "2026-11-20",
        **_PERSON,
        "住居地": "東京都新宿区歌舞伎町一丁目4番1号",
        "在留カード番号": "AB12345678CD",
        "住居地を定めた日": "",
        "移転日": "2026-11-18",
        "前住居地": "北海道札幌市中央区北1条西2丁目",
        **_NEW,
    },
    StatusNotice: {
        "通知番号": "M-20261120-77",
        "市区町村コード": "131041",
        "通知日": "2026-11-20",
        "通知事由": "変更",
        "変更項目": "在留期間、在留期間の満了の日、在留カード番号",
        "変更日": "2026-11-19",
        "外国人住民区分": "中長期在留者",
        **_PERSON,
        "在留資格": "留学",
        "在留期間": "1年",
        "在留期間の満了の日": "2027-11-19",
        "在留カード番号": "AB12345678CD",
        "特別永住者証明書番号": "",
        "上陸期間等の満了の日": "",
        **_NEW,
    },
    RegisterNotice: {
        "通知番号": "131041-20261123-0002",
        "市区町村コード": "131041",
        "処理区分": "修正",
        "処理事由": "転居",
        "処理日": "2026-11-20",
        "外国人住民区分": "中長期在留者",
        **_PERSON,
        "住所": "東京都新宿区西新宿二丁目8番1号",
        "在留カード番号": "AB12345678CD",
        "特別永住者証明書番号": "",
        "修正項目": "住所",
        "修正前の住所": "東京都新宿区歌舞伎町一丁目4番1号",
        "届出条項": "住基法23条",
        "届出日": "2026-11-20",
        "転出予定日": "",
        "事由発生日": "",
        **_NEW,
    },
    CardIssueNotice: {
        "通知番号": "131041-20261123-0003",
        "市区町村コード": "131041",
        "交付日": "2026-11-20",
        "特定在留カード番号": "AB12345678CD",
        "訂正対象通知番号": "",
    },
    ImportResult: {
        "通知番号": "131041-20261123-0004",
        "市区町村コード": "131041",
        "対象通知番号": "M-20261120-77",
        "結果": "エラー",
        "エラー項目": "生年月日",
        "理由": "住民票の生年月日と異なります",
        "処理日": "2026-11-23",
    },
    Inquiry: {
        "通知番号": "131041-20261123-0005",
        "市区町村コード": "131041",
        "照会区分": "再送依頼",
        "対象通知番号": "M-20261120-77",
    },
}
"""A right row of each type."""

_FIRST, _LAST = date(2012, 7, 9), date(2099, 12, 31)
days = st.dates(_FIRST, _LAST)
texts = st.text("漢字渡邉𠮷髙﨑丁目丨,\"・ー<>&'AZ09 （）", min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
plain_texts = st.text("漢字氏名丁目高崎,\"・ー<&'AZ09", min_size=1, max_size=20)
"""What Windows-31J can hold too."""
numbers = st.from_regex(r"[A-Za-z0-9]{1,8}(-[0-9]{1,8}){1,2}x", fullmatch=True)
codes = st.integers(1001, 47999).map(lambda number: MunicipalityCode.from_body(f"{number:05d}").value)
cards = st.from_regex(r"[A-Z]{2}[0-9]{8}[A-Z]{2}", fullmatch=True)
romans = st.from_regex(r"[A-Z]{1,12}( [A-Z'.-]{1,12}){0,3}", fullmatch=True)
births = st.one_of(
    st.dates(date(1900, 1, 1), _FIRST).map(date.isoformat),
    st.integers(1900, 2011).map(lambda year: f"{year}-00-00"),
    st.tuples(st.integers(1900, 2011), st.integers(1, 12)).map(lambda pair: f"{pair[0]}-{pair[1]:02d}-00"),
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def some_of(choices: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=4, unique=True).map("、".join)


def _envelope(draw: Any) -> dict[str, Any]:
    return {"number": draw(numbers), "municipality": draw(codes)}


def _correction(draw: Any, number: str) -> dict[str, Any]:
    return {"corrects": draw(maybe(numbers.filter(lambda other: other != number)))}


def _someone(draw: Any, text: st.SearchStrategy[str]) -> dict[str, Any]:
    kanji = draw(maybe(text))
    return {
        "name": draw(romans),
        "kanji_name": kanji,
        "kanji_original": None if kanji is None else draw(maybe(text)),
        "birth_date": draw(births),
        "sex": draw(st.sampled_from(("男", "女"))),
        "nationality": draw(text),
    }


def _addresses(draw: Any, text: st.SearchStrategy[str]) -> list[str]:
    chosen: list[str] = draw(st.lists(text, min_size=2, max_size=2, unique=True))
    return chosen


def _bearer(draw: Any, category: str) -> dict[str, Any]:
    return {
        "category": category,
        "card_number": draw(cards) if category == MID_TO_LONG else None,
        "certificate_number": draw(cards) if category == SPECIAL_PERMANENT else None,
    }


@st.composite
def residence_notices(draw: Any, text: st.SearchStrategy[str] = texts) -> ResidenceNotice:
    basis = draw(st.sampled_from(SETTLED + MOVED + EITHER))
    happened, filed = sorted((draw(days), draw(days)))
    settled = basis in SETTLED or (basis in EITHER and draw(st.booleans()))
    address, previous = _addresses(draw, text)
    envelope = _envelope(draw)
    return ResidenceNotice(
        **envelope,
        **_correction(draw, envelope["number"]),
        **_someone(draw, text),
        basis=basis,
        filed_on=filed,
        address=address,
        card_number=draw(cards),
        settled_on=happened if settled else None,
        moved_on=None if settled else happened,
        previous_address=None if settled else previous,
    )


@st.composite
def status_notices(draw: Any, text: st.SearchStrategy[str] = texts) -> StatusNotice:
    category = draw(st.sampled_from(CATEGORIES))
    resident = category == MID_TO_LONG
    changed, notified = sorted((draw(days), draw(days)))
    status = draw(st.sampled_from(STATUSES)) if resident else None
    unlimited = status in UNLIMITED_STATUSES
    own = tuple(item for item in CHANGEABLE if category in _OWN.get(item, frozenset(CATEGORIES)))
    envelope = _envelope(draw)
    return StatusNotice(
        **envelope,
        **_correction(draw, envelope["number"]),
        **_someone(draw, text),
        **_bearer(draw, category),
        notified_on=notified,
        cause=draw(st.sampled_from(("変更", "誤り"))),
        changed_items=draw(some_of(own)),
        changed_on=changed,
        status=status,
        period=(UNLIMITED if unlimited else draw(st.sampled_from(("5年", "4年3月", "6月", "90日"))))
        if resident
        else None,
        expires_on=changed + timedelta(days=draw(st.integers(1, 2000))) if resident and not unlimited else None,
        permit_expires_on=draw(days) if category in {REFUGE, PROVISIONAL} else None,
    )


@st.composite
def register_notices(draw: Any, text: st.SearchStrategy[str] = texts) -> RegisterNotice:
    name = draw(st.sampled_from(tuple(CAUSES)))
    cause = CAUSES[name]
    categories = [each for each in CATEGORIES if not (each == TRANSITIONAL and name in NEW_RESIDENT)]
    event, filed, processed = sorted((draw(days), draw(days), draw(days)))
    told = bool(cause.filings) and (cause.filed or draw(st.booleans()))
    changes = None
    if cause.action == "修正":
        changes = "住所" if name == REMOVAL_WITHIN else draw(some_of(AMENDABLE))
    address, previous = _addresses(draw, text)
    envelope = _envelope(draw)
    person = _someone(draw, text)
    if name == BIRTH:
        person["birth_date"] = event.isoformat()
    return RegisterNotice(
        **envelope,
        **_correction(draw, envelope["number"]),
        **person,
        **_bearer(draw, draw(st.sampled_from(categories))),
        action=cause.action,
        cause=name,
        processed_on=processed,
        address=address,
        changed_items=changes,
        previous_address=previous if changes and "住所" in changes.split("、") else None,
        basis=draw(st.sampled_from(cause.filings)) if told else None,
        filed_on=filed if told else None,
        departs_on=draw(days) if name == DEPARTURE else None,
        event_on=event if cause.event else None,
    )


@st.composite
def card_issue_notices(draw: Any, text: st.SearchStrategy[str] = texts) -> CardIssueNotice:
    del text
    envelope = _envelope(draw)
    issued = draw(st.dates(date(2026, 6, 14), _LAST))
    return CardIssueNotice(
        **envelope, **_correction(draw, envelope["number"]), issued_on=issued, card_number=draw(cards)
    )


def _target(draw: Any) -> dict[str, Any]:
    envelope = _envelope(draw)
    return {**envelope, "target": draw(numbers.filter(lambda other: other != envelope["number"]))}


@st.composite
def import_results(draw: Any, text: st.SearchStrategy[str] = texts) -> ImportResult:
    result = draw(st.sampled_from((IMPORTED, FAILED, "未取込", "不明")))
    failed = result == FAILED
    return ImportResult(
        **_target(draw),
        result=result,
        error_item=draw(st.sampled_from(ERROR_ITEMS)) if failed else None,
        reason=draw(text if failed else maybe(text)) if result != IMPORTED else None,
        processed_on=draw(days),
    )


@st.composite
def inquiries(draw: Any, text: st.SearchStrategy[str] = texts) -> Inquiry:
    del text
    return Inquiry(**_target(draw), kind=draw(st.sampled_from((STATE, RESEND))))


NOTICES: dict[type[Notice], Any] = {
    ResidenceNotice: residence_notices,
    StatusNotice: status_notices,
    RegisterNotice: register_notices,
    CardIssueNotice: card_issue_notices,
    ImportResult: import_results,
    Inquiry: inquiries,
}
"""A strategy maker for each type; its argument draws the text of names and addresses."""
