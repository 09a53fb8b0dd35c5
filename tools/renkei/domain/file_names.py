"""Names of files of notices: before the ending may stand when they go, `NAME.daily.csv`, `NAME.immediate.csv`.

Whoever makes a name fit for a file system keeps that mark: a file whose mark was lost would go at another time.
"""

from typing import Literal

_MODES: tuple[Literal["daily"], Literal["immediate"]] = ("daily", "immediate")


def split(name: str) -> tuple[str, str, str]:
    """Return what a name begins with, its mark and its ending; the two latter with their dot, empty where missing."""
    stem, dot, ending = name.rpartition(".")
    if not (dot and stem):
        return name, "", ""
    base, dot, mark = stem.rpartition(".")
    if dot and base and mark.lower() in _MODES:
        return base, f".{mark}", f".{ending}"
    return stem, "", f".{ending}"


def mode_of(name: str) -> Literal["daily", "immediate"] | None:
    """Return the mode that a name's mark says, in capitals or not; None where it has none."""
    _, mark, _ = split(name)
    return next((mode for mode in _MODES if mark.lower() == f".{mode}"), None)


def shortened(base: str, mark: str, length: int) -> str:
    """Return what a name begins with and its mark, in at most `length` characters: no mark is lost, and none made."""
    cut = base[: length - len(mark)]
    if not mark and len(cut) < len(base) and mode_of(f"{cut}.csv") is not None:
        cut = cut[:-1]
    return f"{cut}{mark}"
