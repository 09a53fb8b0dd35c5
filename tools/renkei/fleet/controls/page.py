"""docs/controls.md, written from the table and the comparison."""

from collections.abc import Iterator

from renkei.fleet.controls.cis import Comparison, order
from renkei.fleet.controls.model import Control, Parameter, Table
from renkei.fleet.controls.table import GUIDELINE, leaves

_HEAD = """# Controls of a Windows terminal

Written by `renkei controls page` from `inventory/controls/`: change that, not this page. The chapters are those of
情報セキュリティ対策基準 in the guideline (総務省 地方公共団体における情報セキュリティポリシーに関するガイドライン).
`renkei controls show ID` prints every setting of a control.

- `dedicated` terminals: the role of each control sets and checks it. `shared` machines: each is checked and reported,
  nothing is changed.
- A control is switched off for hosts or groups by an exception in the fleet's `exceptions.yml`, with reason, approver
  and last day; one that is over stops the run.
- A figure in brackets is a parameter; a fleet may set it within its bounds (`terminal_hardening_parameters`). Those of
  updates come from the fleet, endpoint by endpoint: ring, link, line, office hours, deadlines.
"""


def write_page(table: Table, comparison: Comparison) -> str:
    """Write the page, in Markdown."""
    lines = [_HEAD, f"Version {table.version}, {len(table.controls)} controls.", ""]
    lines += [
        "## Controls",
        "",
        "| id | chapter | guideline | control | risk | profiles | role | by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(control) for control in table.controls.values()]
    lines += ["", "## Parameters", "", "| name | what | default | bounds |", "|---|---|---|---|"]
    lines += [_parameter(parameter) for parameter in table.parameters.values()]
    lines += ["", "## The guideline's controls", "", "| number | held by |", "|---|---|"]
    lines += [f"| {number} | {_holder(table, number)} |" for number in GUIDELINE]
    lines += list(_comparison(comparison))
    return "\n".join([*lines, ""])


def means(control: Control) -> list[str]:
    """Return by which files and tools a control is set, and whether a fact is looked at."""
    settings = control.settings
    kinds = {
        "security template": settings.security or settings.rights,
        "audit policy": settings.audit,
        "registry": settings.registry,
        "features": settings.features,
        "services": settings.services,
        settings.tool: settings.tool,
        "fact": control.check,
    }
    return [name for name, used in kinds.items() if used]


def _row(control: Control) -> str:
    profiles = ", ".join(sorted(control.profiles))
    numbers = ", ".join(control.guideline)
    state = "" if control.enabled else " (off)"
    cells = (
        control.id + state,
        control.chapter,
        numbers,
        control.title,
        control.risk,
        profiles,
        control.role,
        ", ".join(means(control)),
    )
    return f"| {' | '.join(cells)} |"


def _parameter(parameter: Parameter) -> str:
    if parameter.pattern:
        pattern = parameter.pattern.replace("|", "\\|")
        return f"| {parameter.name} | {parameter.what} | {'empty' if parameter.is_list else 'none'} | `{pattern}` |"
    bounds = f"{parameter.at_least} to {parameter.at_most}"
    return f"| {parameter.name} | {parameter.what} | [{parameter.default}] | {bounds} |"


def _holder(table: Table, number: str) -> str:
    ids = [control.id for control in table.controls.values() if number in control.guideline]
    return ", ".join(ids) if ids else table.elsewhere[number]


def _comparison(comparison: Comparison) -> Iterator[str]:
    left_out = sum(len(group.items) for group in comparison.left_out)
    yield from ("", "## Beside the CIS list", "", f"Source: {comparison.source}.", "")
    total, covered = len(comparison.level_1), len(comparison.covered)
    yield f"Of {total} items of level 1, {covered} are covered and {left_out} are left out."
    yield from ("", "### Left out", "", "| why | items |", "|---|---|")
    yield from (f"| {group.reason} | {', '.join(sorted(group.items, key=order))} |" for group in comparison.left_out)
    yield from ("", "### Covered", "", "| by | items |", "|---|---|")
    holders: dict[str, list[str]] = {}
    for item, names in comparison.covered.items():
        for name in names:
            holders.setdefault(name, []).append(item)
    yield from (f"| {name} | {', '.join(sorted(items, key=order))} |" for name, items in holders.items())


def settings_of(control: Control) -> list[tuple[str, str]]:
    """Return every single setting of a control, as people read it: its place and what is set."""
    return [(" ".join(place), _shown(value)) for place, value in leaves(control.settings)]


def _shown(value: object) -> str:
    if isinstance(value, frozenset | tuple):
        return ", ".join(sorted(map(str, value))) or "nobody"
    return str(value)
