"""Whether two notices are about the same person, as far as the notices themselves say.

No number stays with a foreign resident for life: cards are exchanged, names and nationalities change. Two notices are
of one person when they share a card's or certificate's number, or name, day of birth and sex, or when one says that
it corrects the other. Where a notice says that the number and something else have changed at once, what is left in
common is enough, too: then somebody else may be taken for the same person, which delays a notice and loses nothing.
"""

from dataclasses import dataclass

from renkei.domain.notices import Notice

_NUMBERS = frozenset({"在留カード番号", "特別永住者証明書番号"})
_WHO = frozenset({"氏名", "生年月日", "性別", "国籍・地域"})
_SEPARATOR = "\x1f"  # in no item


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a notice's person can be recognised in other notices. All of it is personal data.

    Attributes:
        certain: features of which one in common is enough.
        loose: features of which one in common is enough only when the later notice is of a person `renewed`.
        renewed: the notice says that the card's number and the person's particulars changed at once.
    """

    certain: frozenset[str]
    loose: frozenset[str]
    renewed: bool


def identify(notice: Notice) -> Identity:
    """Tell by what a notice's person can be recognised."""
    value = {field: getattr(notice, field, None) for field in _FIELDS}
    born = (value["birth_date"], value["sex"])
    certain = {card_feature(str(number)) for number in (value["card_number"], value["certificate_number"]) if number}
    certain.add(_feature("notice", notice.municipality, notice.number))  # a number is unique for its sender
    if value["corrects"]:
        certain.add(_feature("notice", notice.municipality, value["corrects"]))
    loose = set()
    names = [(kind, value[kind]) for kind in ("name", "kanji_name") if value[kind]]
    if value["birth_date"]:
        certain |= {_feature(kind, name, *born) for kind, name in names}
        loose = {_feature(f"{kind} and nation", name, value["nationality"]) for kind, name in names}
        loose.add(_feature("birth and nation", *born, value["nationality"]))
    changed = frozenset(str(value["changed_items"] or "").split("、"))
    return Identity(frozenset(certain), frozenset(loose), bool(changed & _NUMBERS) and bool(changed & _WHO))


def same_person(earlier: Identity, later: Identity) -> bool:
    """Tell whether two notices are about one person; `later` is the one that came after."""
    return bool(earlier.certain & later.certain) or (later.renewed and bool(earlier.loose & later.loose))


def card_feature(number: str) -> str:
    """Return the feature that a card's or certificate's number is."""
    return _feature("card", number)


_FIELDS = (
    *("card_number", "certificate_number", "corrects", "name", "kanji_name", "birth_date", "sex", "nationality"),
    "changed_items",
)


def _feature(kind: str, *values: str | None) -> str:
    return _SEPARATOR.join([kind, *(value or "" for value in values)])
