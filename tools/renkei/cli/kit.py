"""The verbs of `./kit`, after the script has prepared the machine.

`LINTERS` and `SELECTIONS` are the one list of what `./kit lint` and `./kit test` run; tests/lint reads the first.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(os.environ.get("RENKEI_ROOT", Path(__file__).parents[3]))
FLEET = ROOT / "inventory" / "lab"

#: What runs on Windows terminals, too.
_ON_WINDOWS = [
    *(word for room in ("domain", "exchange", "store", "client", "agent") for word in ("-p", f"renkei.{room}")),
    *("-m", "renkei.cli.agent"),
]

#: Name → command, each run at the root of the checkout.
LINTERS = {
    "ruff": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "mypy-windows": ["mypy", "--platform", "win32", "--cache-dir", "build/cache/mypy-windows", *_ON_WINDOWS],
    "import-linter": ["lint-imports", "--no-cache"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--strict", "--profile", "production"],
}

#: What `./kit test` runs without a selection, the quickest first.
SELECTIONS = {name: f"tests/{name}" for name in ("lint", "unit", "faults", "windows", "roles", "lab")}

#: Of these, what goes on every core, before the rest: no test shares a host or an address with another. Of the
#: rest, each goes in one process, two beside each other.
BESIDE_EACH_OTHER = ("lint", "unit", "faults")

_NO_TESTS = 5  # pytest's exit code, for instance when -k names one of another run

console = Console()


def up(
    *,
    converge: Annotated[bool, typer.Option(help="Provision and exchange even if nothing has changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")] = False,
) -> None:
    """Build the lab, provision it with the production playbooks, exchange notices, show the result.

    It makes podman containers and networks named renkei-*, nftables tables named renkei_*, cables named rk-*, and
    switches IPv4 forwarding on; `./kit down` undoes that.
    """
    from renkei.lab.page import write_page
    from renkei.lab.summary import print_summary
    from renkei.lab.up import LabFailure, bring_up

    try:
        result = bring_up(ROOT, FLEET, console=Console(stderr=as_json), force=converge)
    except LabFailure as failure:
        Console(stderr=True).print(f"[red]kit up:[/red] {escape(str(failure))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    page = ROOT / "build" / FLEET.name / "index.html"
    write_page(result, page)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        print_summary(result, page, console)
    raise typer.Exit(0 if result.is_good() else 1)


def down() -> None:
    """Undo all that `up` and `test` did to this machine, except installed packages and the caches in build/cache.

    Every lab of this checkout goes: that of `up`, and what a test that was killed has left.
    """
    from renkei.lab import Lab, fleets_of, take_down

    with _explained("down"):
        for fleet in fleets_of(ROOT):
            take_down(fleet, ROOT)
        Lab(FLEET, ROOT).down()  # says whose it is if it is another checkout's


def run_tests(
    selection: Annotated[
        list[str] | None, typer.Argument(help="lint, unit, faults, windows, roles, lab, a path, or pytest options.")
    ] = None,
) -> None:
    """Run the tests: all of them (lint, unit, faults, windows, roles, lab), or a selection.

    Those that need hosts (windows, roles, lab) come after the others, two at a time, and only when these have passed.
    `unit` alone leaves out the tests that are marked `thorough`: they run with all the others.
    """
    words = selection or list(SELECTIONS)
    if all(word.startswith("-") for word in words):
        words = [*SELECTIONS, *words]
    os.chdir(ROOT)
    names, others = [word for word in words if word in SELECTIONS], [word for word in words if word not in SELECTIONS]
    if words == ["unit"]:
        others = ["-m", "not thorough"]
    beside = [SELECTIONS[name] for name in names if name in BESIDE_EACH_OTHER]
    on_hosts = [SELECTIONS[name] for name in names if name not in BESIDE_EACH_OTHER]
    if {"roles", "lab"}.intersection(names):
        _clear_leftovers()
    if beside:
        beside += ["--numprocesses=auto", *others]
    if beside and on_hosts:
        code = subprocess.run([sys.executable, "-m", "pytest", *beside], check=False).returncode  # noqa: S603 - our own
        if code not in {0, _NO_TESTS}:
            raise typer.Exit(code)
    if len(on_hosts) > 1:
        on_hosts += ["--numprocesses=2", "--dist=loadscope"]  # tests/conftest.py
    arguments = [*on_hosts, *others] if on_hosts or not beside else beside
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606 - pytest has the last word


def _clear_leftovers() -> None:
    """Take down what a killed run of this checkout has left, other than the lab of `up`: broken, and in the way."""
    from renkei.lab import Lab, fleets_of, take_down

    with _explained("test"):
        for left in set(fleets_of(ROOT)) - {Lab(FLEET, ROOT).fleet}:
            take_down(left, ROOT)


def lint() -> None:
    """Run every linter, all of them even if one finds something; exit 1 if any did."""
    failed = []
    for name, command in LINTERS.items():
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own list
        console.print(f"{name:15} {'[green]ok[/green]' if finished.returncode == 0 else '[red]failed[/red]'}")
        if finished.returncode != 0:
            failed.append(name)
            typer.echo(finished.stdout + finished.stderr)
    raise typer.Exit(1 if failed else 0)


def bench(name: Annotated[str | None, typer.Argument(help="One benchmark; without it, all.")] = None) -> None:
    """Run benchmarks, print their tables, write build/bench/NAME.json; exit 1 if a target isn't held."""
    folder = ROOT / "tests" / "bench"
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if name is not None and name not in known:
        Console(stderr=True).print(f'[red]bench:[/red] there is no benchmark "{name}"; there are: {", ".join(known)}')
        raise typer.Exit(2)
    held, progress = True, Console(stderr=True)
    for each in [name] if name else known:
        rows = []
        for row in _load(folder / f"{each}.py").run():
            rows.append(row)
            ratio = f", ratio {_figure(row['ratio'])}" if row["ratio"] else ""
            progress.print(f"{each}: {row['name']}: {_figure(row['value'])} {row['unit']}{ratio}", highlight=False)
        target = ROOT / "build" / "bench" / f"{each}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        _print_bench(each, rows)
        held = held and all(row["holds"] is not False for row in rows)
    raise typer.Exit(0 if held else 1)


def shell() -> None:
    """Start a shell at the root of the checkout with the kit's programs on its PATH."""
    os.chdir(ROOT)
    shell_program = os.environ.get("SHELL", "/bin/bash")
    os.execvp(shell_program, [shell_program])  # noqa: S606 - the user's own shell is what was asked for


@contextmanager
def _explained(verb: str) -> Iterator[None]:
    """Say what is wrong with the lab on standard error and exit with 1, without a traceback."""
    from renkei.lab import LabError

    try:
        yield
    except LabError as failure:
        Console(stderr=True).print(f"[red]kit {verb}:[/red] {escape(str(failure))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _load(path: Path) -> Any:  # noqa: ANN401 - a benchmark is a module with a function run()
    spec = spec_from_file_location(f"bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be loaded as a benchmark")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _print_bench(name: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"bench {name}", title_justify="left")
    for heading in ("name", "value", "unit", "against", "ratio", "target", "holds"):
        table.add_column(heading, justify="right" if heading in {"value", "ratio"} else "left")
    for row in rows:
        holds = {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[row["holds"]]
        table.add_row(
            row["name"],
            _figure(row["value"]),
            row["unit"],
            str(row["against"] or ""),
            _figure(row["ratio"]),
            str(row["target"] or ""),
            holds,
        )
    console.print(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004


VERBS: dict[str, Callable[..., None]] = {
    "up": up,
    "down": down,
    "test": run_tests,
    "lint": lint,
    "bench": bench,
    "shell": shell,
}
