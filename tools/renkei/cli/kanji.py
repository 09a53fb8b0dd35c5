"""`renkei kanji`: names in the 正字 of residence cards and registers (法務省告示第582号)."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NoReturn

import typer

from renkei.domain.kanji import Conversion, Rule, convert

_LONGEST = 4096
_SOURCES = {
    Rule.KEPT: "正字, kept",
    Rule.ITAIJI: "異体字, 別表第四の一",
    Rule.RUIJI: "類字, 別表第四の二",
    Rule.NONE: "no target in 告示第582号",
}


def kanji(
    text: Annotated[
        str | None,
        typer.Argument(
            help="A name in kanji. Without it, or as -, standard input is read, a name a line.", metavar="TEXT"
        ),
    ] = None,
    *,
    borne: Annotated[
        str, typer.Option(help="The name as register or earlier card bears it: its second ranks are taken.")
    ] = "",
    requested: Annotated[str, typer.Option(help="Second ranks of 類字 that the person asks for.")] = "",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="A list a name, with char, result, rule (kept|itaiji|ruiji|none), candidates, note."
        ),
    ] = False,
) -> None:
    """Write names in the 正字 of residence cards, by 法務省告示第582号.

    For TEXT: the name, and each character with its rule and its permitted
    正字 in rank order. For standard input, a name a line: as it came, a tab,
    and in 正字. A character without a target becomes 〓.

    Use standard input for real names: other users of the machine see the
    arguments of a command.

    Exit 0: converted, 〓 or not. Exit 2: nothing to convert, not UTF-8, or a
    name of more than 4,096 characters.
    """
    if text is None or text == "-":
        names: Iterable[str] = _lines()
        argued = False
    else:
        names, argued = _checked(text), True
    some = False
    for name in names:
        some = True
        conversions = convert(name, borne=borne, requested=requested)
        if as_json:
            line = json.dumps([_row(each) for each in conversions], ensure_ascii=False)
        elif argued:
            line = _shown(name, conversions)
        else:
            line = f"{name}\t{_joined(conversions)}"
        typer.echo(line)
    if not some:
        _fail("there is nothing to convert: give TEXT, or names on standard input")


VERBS = {"kanji": kanji}


def _row(conversion: Conversion) -> dict[str, Any]:
    return {
        "char": conversion.char,
        "result": conversion.result,
        "rule": conversion.rule.value,
        "candidates": list(conversion.candidates),
        "note": conversion.note and conversion.note.value,
    }


def _joined(conversions: list[Conversion]) -> str:
    return "".join(conversion.result for conversion in conversions)


def _shown(name: str, conversions: list[Conversion]) -> str:
    lines = [f"{name} → {_joined(conversions)}", ""]
    for each in conversions:
        points = " ".join(f"U+{ord(char):04X}" for char in each.char)
        ranks = " ".join(f"{rank}:{candidate}" for rank, candidate in enumerate(each.candidates, 1))
        note = f" ({each.note})" if each.note else ""
        shown = each.char if each.char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        lines.append(f"{shown} → {each.result}  {points:<9}  {_SOURCES[each.rule]}{note}  {ranks}".rstrip())
    return "\n".join(lines)


def _lines() -> Iterator[str]:
    """Read names from standard input; empty lines are no names."""
    number = 0
    while raw := sys.stdin.buffer.readline(_LONGEST * 4 + 2):
        number += 1
        if len(raw) > _LONGEST * 4 and not raw.endswith(b"\n"):
            _fail(f"line {number} of standard input is longer than {_LONGEST:,} characters")
        try:
            line = raw.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            _fail(f"line {number} of standard input is not UTF-8")
        if len(line) > _LONGEST:
            _fail(f"line {number} of standard input is longer than {_LONGEST:,} characters")
        if line:
            yield line


def _checked(text: str) -> list[str]:
    if len(text) > _LONGEST:
        _fail(f"TEXT is longer than {_LONGEST:,} characters")
    if any("\ud800" <= char <= "\udfff" for char in text):  # how Python hands on an argument's foreign bytes
        _fail("TEXT is not UTF-8")
    return [text] if text else []


def _fail(message: str) -> NoReturn:
    typer.echo(f"renkei kanji: {message}", err=True)
    raise typer.Exit(2)
