"""The answer file that Windows Setup reads: rendered from the specification, and held against an allow-list.

    rules = read_rules(folder / "answer-rules.yml")
    xml = render(folder / "answer-file.xml.j2", {"language": "ja-JP", …}, rules)

There is no complete schema of answer files, and Setup passes over what it doesn't know: so what isn't on the list is
refused. The template fills in values only and keeps its lines, so that a problem names the line where it was written.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from lxml import etree

from renkei.fleet.documents import read_document
from renkei.fleet.problems import FleetError, Problem

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 16
_UNATTEND: Final = "{urn:schemas-microsoft-com:unattend}"
_ACTION: Final = "{http://schemas.microsoft.com/WMIConfig/2002/State}action"
_COMPONENT: Final = {
    "processorArchitecture": "amd64",
    "publicKeyToken": "31bf3856ad364e35",
    "language": "neutral",
    "versionScope": "nonSxS",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one setting may be: one of `values`, or all of it matches `pattern`."""

    values: frozenset[str]
    pattern: re.Pattern[str] | None

    def allows(self, value: str) -> bool:
        """Tell whether a value may stand there."""
        return value in self.values if self.pattern is None else self.pattern.fullmatch(value) is not None

    def __str__(self) -> str:
        """Say what may stand there."""
        return " or ".join(sorted(self.values)) if self.pattern is None else f"what matches {self.pattern.pattern}"


@dataclass(frozen=True, slots=True)
class Component:
    """A component that may be configured: in which passes, and its settings by path (`[]` ends a list's item)."""

    passes: frozenset[str]
    settings: Mapping[str, Rule]

    @property
    def parents(self) -> frozenset[str]:
        """The paths of elements that hold settings."""
        return frozenset(
            "/".join(path.split("/")[:depth]) for path in self.settings for depth in range(path.count("/") + 1)
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """The allow-list: components by name, and the file that it was read from."""

    file: Path
    components: Mapping[str, Component]


def read_rules(file: Path) -> Rules:
    """Read the allow-list; its schema lies beside it.

    Raises:
        FleetError: with all that is wrong with it, as file:line.
    """
    document = read_document(file, file.with_name("answer-rules.schema.json"))
    problems: list[Problem] = []
    components: dict[str, Component] = {}
    for number, row in enumerate(document.data["components"]):
        settings: dict[str, Rule] = {}
        if row["name"] in components:
            problems.append(
                document.problem(("components", number, "name"), f"{row['name']} stands twice", "join the two")
            )
        for place, setting in enumerate(row["settings"]):
            where = ("components", number, "settings", place, "path")
            path = str(setting["path"])
            if path in settings:
                problems.append(document.problem(where, f"{path} stands twice", "remove one of them"))
            try:
                pattern = re.compile(str(setting["pattern"])) if "pattern" in setting else None
            except re.error as error:
                problems.append(document.problem(where, f"its pattern is none ({error})", "correct it"))
                pattern = None
            settings[path] = Rule(frozenset(map(str, setting.get("values", ()))), pattern)
        components[str(row["name"])] = Component(frozenset(map(str, row["passes"])), settings)
    if problems:
        raise FleetError(problems)
    return Rules(file, components)


def render(template: Path, values: Mapping[str, str], rules: Rules) -> bytes:
    """Fill in the template and hold it against the rules; UTF-8.

    Args:
        template: Jinja, of values alone.
        values: by name; what isn't among them can't be filled in.
        rules: the allow-list.

    Raises:
        FleetError: with all that is wrong with it, as file:line of the template.
    """
    try:
        with template.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise FleetError(
            [Problem(template, 1, f"can't be read ({error.strerror})", "name another with --answers")]
        ) from error
    except UnicodeDecodeError as error:
        raise FleetError([Problem(template, 1, "is not UTF-8", "save the file as UTF-8")]) from error
    if len(text) > MAX_BYTES:
        raise FleetError([Problem(template, 1, f"is larger than {MAX_BYTES} bytes", "is it the right file?")])
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True)
    try:
        rendered = environment.from_string(text).render(values)
    except TemplateError as error:
        known = ", ".join(sorted(values))
        what = f"can't be filled in ({error.message})"
        line = getattr(error, "lineno", None) or _line_of(text, str(error.message))
        raise FleetError([Problem(template, line, what, f"the values are {known}")]) from error
    if rendered.count("\n") != text.count("\n"):
        raise FleetError(
            [Problem(template, 1, "loses or adds lines", "use {{ values }} and {# comments #} of one line")]
        )
    content = rendered.encode()
    problems = check(content, template, rules)
    if problems:
        raise FleetError(problems)
    return content


def check(content: bytes, file: Path, rules: Rules) -> list[Problem]:
    """Find everything in an answer file that the rules don't allow; `file` is what the problems name."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        return [Problem(file, error.lineno or 1, f"is not XML ({error.msg})", "correct the syntax")]
    if root.getroottree().docinfo.internalDTD is not None:
        return [Problem(file, 1, "has a document type", "remove it: answer files have none")]
    return sorted(_Checker(file, rules).document(root))


class _Checker:
    """Goes through one answer file; every method yields the problems of what it is given."""

    def __init__(self, file: Path, rules: Rules) -> None:
        self._file = file
        self._rules = rules

    def _problem(self, element: etree._Element, what: str, remedy: str) -> Problem:
        line: object = element.sourceline
        return Problem(self._file, line if isinstance(line, int) else 1, what, remedy)

    def document(self, root: etree._Element) -> Iterator[Problem]:
        if root.tag != f"{_UNATTEND}unattend" or root.attrib:
            yield self._problem(
                root, "is no answer file", f"its root is unattend of {_UNATTEND[1:-1]}, without attributes"
            )
            return
        beside = [*root.itersiblings(), *root.itersiblings(preceding=True)]
        for other in beside:
            yield self._problem(other, "something stands beside the root", "remove it")
        seen: set[str] = set()
        for settings in self._elements(root):
            name = settings.get("pass", "")
            known = {each for component in self._rules.components.values() for each in component.passes}
            if settings.tag != f"{_UNATTEND}settings" or set(settings.attrib) != {"pass"}:
                yield self._problem(settings, "is no settings of a pass", 'write <settings pass="…">')
            elif name not in known or name in seen:
                what = f"the pass {name!r} " + ("stands twice" if name in seen else "is not on the list")
                yield self._problem(settings, what, f"the passes are {', '.join(sorted(known))}, each once")
            else:
                seen.add(name)
                yield from self._pass(settings, name)
        yield from self._strangers(root)

    def _pass(self, settings: etree._Element, name: str) -> Iterator[Problem]:
        seen: set[str] = set()
        for element in self._elements(settings):
            component = self._rules.components.get(element.get("name", ""))
            attributes = {str(key): str(element.get(key)) for key in element.attrib}
            called = attributes.pop("name", "")
            if element.tag != f"{_UNATTEND}component" or component is None or name not in component.passes:
                what = f"the component {called!r} is not on the list for the pass {name}"
                yield self._problem(element, what, f"remove it, or add it to {self._rules.file.name} with a reason")
            elif called in seen:
                yield self._problem(element, f"the component {called} stands twice in the pass {name}", "join the two")
            elif attributes != _COMPONENT:
                wanted = " ".join(f'{key}="{value}"' for key, value in _COMPONENT.items())
                yield self._problem(element, f"the component {called} has other attributes than it must", wanted)
            else:
                seen.add(called)
                yield from self._element(element, called, component, "", 0)
        yield from self._strangers(settings)

    def _element(
        self, element: etree._Element, called: str, component: Component, path: str, depth: int
    ) -> Iterator[Problem]:
        """Check what stands in an element of a component, whose own path is allowed already."""
        if depth > MAX_DEPTH:
            yield self._problem(element, f"is nested more than {MAX_DEPTH} deep", "remove it")
            return
        seen: set[str] = set()
        for child in self._elements(element):
            name = str(child.tag).removeprefix(_UNATTEND)
            here = f"{path}/{name}" if path else name
            is_item = f"{here}[]" in component.parents
            wanted = {_ACTION: "add"} if is_item else {}
            if is_item:
                here = f"{here}[]"
            rule = component.settings.get(here)
            if not str(child.tag).startswith(_UNATTEND) or (rule is None and here not in component.parents):
                what = f"the setting {here} of {called} is not on the list"
                yield self._problem(child, what, f"remove it, or add it to {self._rules.file.name} with a reason")
            elif {str(key): child.get(key) for key in child.attrib} != wanted:
                what = f"the setting {here} of {called} has attributes that it mustn't have, or lacks wcm:action"
                yield self._problem(child, what, 'a list\'s item has wcm:action="add", nothing else has any')
            elif name in seen and not is_item:
                yield self._problem(child, f"the setting {here} of {called} stands twice", "remove one of them")
            elif rule is None:
                yield from self._element(child, called, component, here, depth + 1)
            else:
                yield from self._value(child, f"{here} of {called}", rule)
            seen.add(name)
        yield from self._strangers(element)

    def _value(self, element: etree._Element, what: str, rule: Rule) -> Iterator[Problem]:
        if len(element):
            yield self._problem(element, f"the setting {what} holds more than text", "remove what is in it")
        elif not rule.allows(element.text or ""):
            # the value itself isn't repeated: who put a secret there finds it by its line
            yield self._problem(element, f"the setting {what} has a value that it may not have", f"write {rule}")

    @staticmethod
    def _elements(parent: etree._Element) -> list[etree._Element]:
        return [child for child in parent if isinstance(child.tag, str)]

    def _strangers(self, parent: etree._Element) -> Iterator[Problem]:
        """Find comments, instructions and text where only elements may be: they could hold anything."""
        for child in parent:
            if not isinstance(child.tag, str):
                yield self._problem(child, "holds a comment or an instruction", "write comments as {# … #}")
        if (parent.text or "").strip() or any((child.tail or "").strip() for child in parent):
            yield self._problem(parent, "holds text between its elements", "remove it")


def _line_of(text: str, message: str) -> int:
    """Find the line of a value that there isn't: Jinja names it, not its place."""
    found = re.search(r"'(\w+)' is undefined", message)
    place = text.find(found[1]) if found else -1
    return text.count("\n", 0, place) + 1 if place >= 0 else 1
