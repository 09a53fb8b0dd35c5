"""YAML files written by hand: parsed with the line of every value, checked against a JSON schema."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from renkei.fleet.problems import FleetError, Problem

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file that matches its schema. `data` is of dicts, lists and scalars that remember their lines."""

    file: Path
    data: Any

    def line(self, *path: str | int) -> int:
        """Give the line of the value at `path`, or of the nearest thing above it that has one."""
        return _line(self.data, path)

    def problem(self, path: Sequence[str | int], what: str, remedy: str) -> Problem:
        """Make a problem of the value at `path`."""
        return Problem(self.file, self.line(*path), what, remedy)


def read_document(file: Path, schema_file: Path) -> Document:
    """Read `file` and check it.

    Raises:
        FleetError: it can't be read, is not YAML, or doesn't match the schema; with every place where it doesn't.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise FleetError([Problem(file, 1, f"can't be read ({error.strerror})", "put it there, readable")]) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FleetError([Problem(file, line, "is not UTF-8", "save the file as UTF-8")]) from error
    if len(raw) > MAX_BYTES:
        raise FleetError([Problem(file, 1, f"is larger than {MAX_BYTES} bytes", "look whether it is the right file")])
    try:
        data = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"is not YAML ({(error.problem or 'unreadable').splitlines()[0]})"
        line = mark.line + 1 if mark else 1
        raise FleetError([Problem(file, line, what, "correct the syntax")]) from error
    except YAMLError as error:
        raise FleetError([Problem(file, 1, "is not YAML", "correct the syntax")]) from error
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    problems = [
        Problem(file, _line(data, tuple(error.absolute_path)), _what(error), _remedy(error))
        for error in Draft202012Validator(schema).iter_errors(data)
    ]
    if problems:
        raise FleetError(problems)
    return Document(file, data)


def _line(data: object, path: Sequence[str | int]) -> int:
    line = data.lc.line if isinstance(data, CommentedBase) else 0
    for step in path:
        if isinstance(data, CommentedMap) and step in data:
            position = data.lc.key(step)
        elif isinstance(data, CommentedSeq) and isinstance(step, int) and step < len(data):
            position = data.lc.item(step)
        else:
            break
        line, data = position[0], data[step]
    return int(line) + 1


def _what(error: ValidationError) -> str:
    where = ".".join(str(step) for step in error.absolute_path) or "the file"
    message = error.message if len(error.message) <= 160 else error.message[:157] + "…"  # noqa: PLR2004 - two lines
    return f"{where}: {message}"


def _remedy(error: ValidationError) -> str:
    schema: Any = error.schema
    if error.validator == "required":
        return "add it"
    if error.validator == "additionalProperties":
        return f"the keys here are {', '.join(schema.get('properties', {}))}"
    if error.validator == "enum":
        return f"write one of {', '.join(map(str, schema['enum']))}"
    description = schema.get("description") if isinstance(schema, dict) else None
    return f"what belongs here: {description}" if description else f"the schema asks for {error.validator}"
