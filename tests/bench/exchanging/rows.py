"""Rows of a bench, as tests/bench/inventory.py has them; here a target may be a least or a most."""

from typing import Any


def row(
    name: str,
    value: float | None,
    unit: str,
    *,
    against: float | None = None,
    ratio: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> dict[str, Any]:
    """Make a row; what is judged is the ratio where there is one, else the value.

    The ratio is that of `value` to `against` unless it is given, as the median of a paired measurement is.
    """
    if ratio is None and value is not None and against:
        ratio = value / against
    judged = value if ratio is None else ratio
    held = [judged >= least] if least is not None and judged is not None else []
    held += [judged <= most] if most is not None and judged is not None else []
    bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", least), ("≤", most)) if bound is not None]
    return {
        "name": name,
        "value": None if value is None else round(value, 3),
        "unit": unit,
        "against": against and round(against, 3),
        "ratio": ratio and round(ratio, 3),
        "target": ", ".join(bounds) or None,
        "holds": all(held) if held else None,
    }
