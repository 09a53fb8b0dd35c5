"""Residents (外国人住民, 住基法30条の45): their categories, statuses, and who bears which card."""

from renkei.domain.notices.rules import Rule, Values
from renkei.domain.notices_items import UNLIMITED, Form, Item, When

TABLE = "住基法30条の45"
MID_TO_LONG, SPECIAL_PERMANENT = "中長期在留者", "特別永住者"
REFUGE, PROVISIONAL = "一時庇護許可者", "仮滞在許可者"
TRANSITIONAL = "経過滞在者"
CATEGORIES = (MID_TO_LONG, SPECIAL_PERMANENT, REFUGE, PROVISIONAL, TRANSITIONAL)

STATUSES = (
    *("教授", "芸術", "宗教", "報道", "高度専門職1号イ", "高度専門職1号ロ", "高度専門職1号ハ", "高度専門職2号"),
    *("経営・管理", "法律・会計業務", "医療", "研究", "教育", "技術・人文知識・国際業務", "企業内転勤", "介護", "興行"),
    *("技能", "特定技能1号", "特定技能2号", "技能実習1号イ", "技能実習1号ロ", "技能実習2号イ", "技能実習2号ロ"),
    *("技能実習3号イ", "技能実習3号ロ", "文化活動", "留学", "研修", "家族滞在", "特定活動"),
    *("永住者", "日本人の配偶者等", "永住者の配偶者等", "定住者"),
)
"""在留資格 of mid-to-long-term residents (入管法別表第一・第二 less what 19条の3 leaves out)."""
UNLIMITED_STATUSES = frozenset({"永住者", "高度専門職2号"})
"""Those whose 在留期間 is 無期限 (入管法2条の2第3項, 施行規則別表第二)."""


def only(*categories: str) -> When:
    """Required for these categories, forbidden for the others."""
    return When("category", frozenset(categories))


LATIN_NAME = When(
    "category", frozenset({MID_TO_LONG, REFUGE, PROVISIONAL}), frozenset({SPECIAL_PERMANENT, TRANSITIONAL})
)
"""Who must have a name in Latin letters: the certificate of a 特別永住者 may bear one in kanji alone, and a child born
here, or somebody who lost Japanese nationality, may have no document with one."""

CATEGORY = Item("category", "外国人住民区分", Form.CHOICE, 10, TABLE, choices=CATEGORIES)
CARD = Item("card_number", "在留カード番号", Form.CARD, 12, TABLE, only(MID_TO_LONG))
CERTIFICATE = Item("certificate_number", "特別永住者証明書番号", Form.CARD, 12, TABLE, only(SPECIAL_PERMANENT))


def some_name(article: str) -> Rule:
    """Make the rule that there is a name, in one writing or the other."""

    def broken(values: Values) -> bool:
        return values.get("name") is None and values.get("kanji_name") is None

    fields = frozenset({"name", "kanji_name"})
    return Rule(fields, "氏名", "required", article, "氏名又は漢字氏名を記載してください。", broken)


def unlimited(values: Values) -> bool:
    """Tell whether a notice's 在留期間 is 無期限."""
    return values.get("period") == UNLIMITED
