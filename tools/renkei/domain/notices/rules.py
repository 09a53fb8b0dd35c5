"""Rules (規則) between the items of a notice: data, so that checking and documentation read the same.

What one item must hold stands in its row of the table (`notices_items`); a rule looks at several, all of which are
right in themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from renkei.domain.notices_items import LIST_SEPARATOR, Finding, Item, Value, to_text

Values = Mapping[str, Value]
RESIDENCE_SYSTEM = "2012-07-09"
"""平成21年法律第79号 and 第77号 came into force: before that day nobody could file or be entered under them."""


@dataclass(frozen=True)
class Rule:
    """What must hold between items.

    Attributes:
        fields: which items it looks at; it is only asked where each of them is right in itself.
        item: the Japanese name of the item that a finding points to.
        rule: as `Finding.rule`.
        article: the law that says so.
        message: what is wrong and what to do, in Japanese; never a value.
        broken: tells whether a notice, its values by field, breaks the rule.
    """

    fields: frozenset[str]
    item: str
    rule: str
    article: str
    message: str
    broken: Callable[[Values], bool]

    @cached_property
    def finding(self) -> Finding:
        """What is told when the rule is broken."""
        return Finding(self.item, self.rule, self.article, self.message)

    def find(self, values: Values) -> list[Finding]:
        """Return the finding if the values break the rule, or nothing."""
        return [self.finding] if self.broken(values) else []


def not_after(earlier: Item, later: Item, article: str) -> Rule:
    """Make a rule that a day doesn't come after another, where there are both; an unknown day counts as the first."""

    def broken(values: Values) -> bool:
        first, last = values.get(earlier.field), values.get(later.field)
        return first is not None and last is not None and to_text(first) > to_text(last)

    message = f"{earlier.name}が{later.name}より後です。どちらかを直してください。"
    return Rule(frozenset({earlier.field, later.field}), earlier.name, "order", article, message, broken)


def not_before(item: Item, day: str, what: str, article: str) -> Rule:
    """Make a rule that a day isn't earlier than a law; `day` is 2012-07-09, `what` says in Japanese what began then."""

    def broken(values: Values) -> bool:
        value = values.get(item.field)
        return value is not None and to_text(value) < day

    message = f"{item.name}が{what}({day})より前です。日付を直してください。"
    return Rule(frozenset({item.field}), item.name, "order", article, message, broken)


def together(first: Item, second: Item, article: str) -> Rule:
    """Make a rule that two items are there both or not at all."""

    def broken(values: Values) -> bool:
        return (values.get(first.field) is None) != (values.get(second.field) is None)

    message = f"{first.name}と{second.name}は両方とも記載するか、両方とも空欄にしてください。"
    return Rule(frozenset({first.field, second.field}), first.name, "required", article, message, broken)


def different(first: Item, second: Item, article: str) -> Rule:
    """Make a rule that two items don't say the same."""

    def broken(values: Values) -> bool:
        value = values.get(first.field)
        return value is not None and value == values.get(second.field)

    message = f"{first.name}が{second.name}と同じです。どちらかを直してください。"
    return Rule(frozenset({first.field, second.field}), first.name, "conflict", article, message, broken)


def chosen(value: Value) -> frozenset[str]:
    """Return what a value of form CHOICES names."""
    return frozenset(to_text(value).split(LIST_SEPARATOR)) if value is not None else frozenset()
