"""Problems in what people write by hand: each with file, line, what is wrong and what to do; all reported at once."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file; `line` counts from 1."""

    file: Path
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        """Give `file:line: what, and what to do`, the file relative to the working folder where it lies below it."""
        return f"{shown(self.file)}:{self.line}: {self.what}; {self.remedy}"


class FleetError(Exception):
    """A fleet or policy that can't be used; holds every problem that was found, in order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort the problems; the message has a line a problem."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def shown(file: Path) -> str:
    """Give the path as a person would type it here."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative
