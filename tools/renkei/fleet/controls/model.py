"""A control, its settings, and the table of all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from renkei.fleet.terminals import Profile

Data = int | str
"""What a registry value or a line of a security template holds: a DWORD or text."""
Value = int | str | tuple[str, ...]
"""What a parameter stands for."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure, text or list that settings refer to as `${name}`.

    Attributes:
        name: unique.
        what: what it is, in words.
        default: the figure; None for what a fleet must give (a text or a list; a list may be empty).
        at_least, at_most: bounds of a figure.
        pattern: that a text, or every item of a list, matches.
        is_list: whether it is a list.
    """

    name: str
    what: str
    default: int | None = None
    at_least: int = 0
    at_most: int = 0
    pattern: str = ""
    is_list: bool = False

    def check(self, value: object) -> str:
        """Say what is wrong with a value, nothing if it may stand."""
        if self.pattern:
            items = value if self.is_list else [value]
            if not isinstance(items, list | tuple):
                return f"{self.name} is a list"
            wrong = [str(item) for item in items if not re.fullmatch(self.pattern, str(item))]
            return f"{self.name}: {wrong[0][:60]!r} doesn't match {self.pattern}" if wrong else ""
        if not isinstance(value, int) or isinstance(value, bool) or not self.at_least <= value <= self.at_most:
            return f"{self.name} is a number from {self.at_least} to {self.at_most}, not {str(value)[:20]!r}"
        return ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a control sets, by the file of the platform that carries it.

    Attributes:
        security: section → key → data, of a security template.
        rights: user right → SIDs.
        audit: subcategory → success, failure.
        registry: key → value name → data; a parameter's `${name}` in place of the values is a numbered list.
        features: optional features that are off.
        services: that are disabled.
        tool: `bitlocker`, `applocker` or nothing.
    """

    security: Mapping[str, Mapping[str, Data]] = field(default_factory=dict)
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    registry: Mapping[str, Mapping[str, Data] | str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A demand on one fact of a machine; one of the three is set, `at_most` may be a parameter's `${name}`."""

    fact: str
    is_: str | int | bool | None = None
    at_most: int | str | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """One row of the table; `stricter` is `higher`, `lower` or nothing, `line` its line in the file, `role` sets it."""

    id: str
    guideline: tuple[str, ...]
    chapter: str
    title: str
    risk: str
    role: str
    platform: str
    profiles: frozenset[Profile]
    enabled: bool
    stricter: str
    cis: tuple[str, ...]
    settings: Settings
    check: Check | None
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """The whole file; `elsewhere` says of the guideline's other controls what holds them."""

    version: str
    parameters: Mapping[str, Parameter]
    controls: Mapping[str, Control]
    elsewhere: Mapping[str, str]
