"""取込結果 and 照会: what became of a notice, and the question; either side may send either (stream `results`)."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from renkei.domain.notices.base import NUMBER, Notice, Stream, municipality
from renkei.domain.notices.rules import Rule, different
from renkei.domain.notices_items import Form, Item, When

_STANDARD = "住民記録システム標準仕様書4.5"
IMPORTED, FAILED, PENDING, UNKNOWN = "取込済", "エラー", "未取込", "不明"
STATE, RESEND = "状態照会", "再送依頼"
WHOLE = "通知全体"
ERROR_ITEMS = (
    *(WHOLE, "通知番号", "市区町村コード", "届出区分", "届出日", "氏名", "漢字氏名", "生年月日", "性別", "国籍・地域"),
    *("住居地", "在留カード番号", "住居地を定めた日", "移転日", "前住居地", "漢字氏名(原文字)", "訂正対象通知番号"),
    *("通知日", "通知事由", "変更項目", "変更日", "外国人住民区分", "在留資格", "在留期間", "在留期間の満了の日"),
    *("特別永住者証明書番号", "上陸期間等の満了の日", "処理区分", "処理事由", "処理日", "住所", "修正項目"),
    *("修正前の住所", "届出条項", "転出予定日", "事由発生日", "交付日", "特定在留カード番号"),
)
"""What an error may lie in: the notice as a whole (nobody like that in the register), or an item of one. New ones are
added at the end: the encoding knows them by their places."""

_TARGET = Item("target", "対象通知番号", Form.NUMBER, 36, _STANDARD, personal=False)
_NOT_ITSELF = different(_TARGET, NUMBER, _STANDARD)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImportResult(Notice):
    """取込結果: what became of a notice at the other side (住民記録システム標準仕様書 4.5).

    Attributes:
        target: the number of the notice that the recipient of this result had sent (対象通知番号).
        result: 取込済, エラー, 未取込 (held, waiting for a person or for a day) or 不明 (never came).
        error_item: of an エラー, the item that it lies in (エラー項目), one of `ERROR_ITEMS`.
        reason: of an エラー, why (理由); of 未取込 and 不明 where there is something to say.
        processed_on: the day of the import, or of this answer (処理日).
    """

    NAME: ClassVar[str] = "import_result"
    TYPE: ClassVar[str] = "取込結果"
    ARTICLE: ClassVar[str] = _STANDARD
    TO_MINISTRY: ClassVar[bool] = True
    TO_ENDPOINT: ClassVar[bool] = True
    STREAM: ClassVar[Stream] = "results"
    SINCE: ClassVar[int] = 2
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_STANDARD),
        _TARGET,
        Item(
            "result",
            "結果",
            Form.CHOICE,
            3,
            _STANDARD,
            choices=(IMPORTED, FAILED, PENDING, UNKNOWN),
            personal=False,
        ),
        Item(
            "error_item",
            "エラー項目",
            Form.CHOICE,
            20,
            _STANDARD,
            When("result", frozenset({FAILED})),
            ERROR_ITEMS,
            personal=False,
        ),
        Item(
            "reason",
            "理由",
            Form.TEXT,
            200,
            _STANDARD,
            When("result", frozenset({FAILED}), frozenset({PENDING, UNKNOWN})),
        ),
        Item("processed_on", "処理日", Form.DATE, 10, _STANDARD, personal=False),
    )
    RULES: ClassVar[tuple[Rule, ...]] = (_NOT_ITSELF,)

    target: str
    result: str
    error_item: str | None = None
    reason: str | None = None
    processed_on: date


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Inquiry(Notice):
    """照会: what became of a notice, or a request to send it once more; the answer is a result, or the notice.

    Attributes:
        kind: 状態照会 or 再送依頼 (照会区分).
        target: the notice's number (対象通知番号): the asker's own of a 状態照会, the other side's of a 再送依頼.
    """

    NAME: ClassVar[str] = "inquiry"
    TYPE: ClassVar[str] = "照会"
    ARTICLE: ClassVar[str] = _STANDARD
    TO_MINISTRY: ClassVar[bool] = True
    TO_ENDPOINT: ClassVar[bool] = True
    STREAM: ClassVar[Stream] = "results"
    SINCE: ClassVar[int] = 2
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_STANDARD),
        Item("kind", "照会区分", Form.CHOICE, 4, _STANDARD, choices=(STATE, RESEND), personal=False),
        _TARGET,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (_NOT_ITSELF,)

    kind: str
    target: str
